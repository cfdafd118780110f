"""The part of a specification that says how errors of a device are dealt with, beside the counts as they were measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from qhybrid_pipelines.core.specifications.strict_model import StrictModel, list_as_tuple

#: Names of switches, as batches and capabilities have them.
DECOUPLING, TWIRLING = "dynamical_decoupling", "twirling"
#: Largest noise factor: so many times as many gates as the circuit has.
MAX_NOISE_FACTOR = 9
USUAL_NOISE_FACTORS = (1, 3, 5)
#: The points of a sweep at the k-th noise factor above 1 are counted from k times this; a sweep has fewer points.
AMPLIFIED_POINTS = 100_000


class SuppressionSpec(StrictModel):
    """What a vendor is asked to do against errors while circuits run; only sent where its interface has a switch for it."""

    dynamical_decoupling: Literal["none", "XX", "XpXm", "XY4"] = Field(
        default="none", description="none | XX | XpXm | XY4: pulses on qubits that wait."
    )
    twirling: Literal["none", "gates", "measurement", "both"] = Field(
        default="none",
        description="none | gates | measurement | both: random Pauli gates around them, which do nothing together.",
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> SuppressionSpec:
        if not self.switches:
            raise ValueError("suppression asks for nothing; name dynamical_decoupling or twirling, or leave it out")
        return self

    @property
    def switches(self) -> tuple[str, ...]:
        """What is asked for, as ``switch:value``, sorted."""
        found = [] if self.dynamical_decoupling == "none" else [f"{DECOUPLING}:{self.dynamical_decoupling}"]
        found += [f"{TWIRLING}:{what}" for what in ("gates", "measurement") if self.twirling in (what, "both")]
        return tuple(found)


class MitigationSpec(StrictModel):
    """What is done about errors. Counts, scores and verdicts stay those of the samples; estimates stand beside them."""

    estimation: Literal["none", "two_body", "zne"] = Field(
        default="none",
        description="none | two_body (readout errors of the calibration taken out of every term) | zne (expectations at several strengths "
        "of the noise, carried on to none).",
    )
    noise_factors: tuple[Annotated[int, Field(ge=1, le=MAX_NOISE_FACTOR)], ...] = Field(
        default=USUAL_NOISE_FACTORS,
        min_length=2,
        description="For zne: odd numbers, 1 among them; a circuit is run so many times, every second time backwards.",
    )
    extrapolation: Literal["linear", "richardson"] = Field(
        default="linear",
        description="For zne: linear (least squares) | richardson (the polynomial through all, with larger errors of shots).",
    )

    suppression: SuppressionSpec | None = Field(
        default=None,
        description="Switches of the vendor that change what is run: {dynamical_decoupling, twirling}; counts stay samples.",
    )

    _list_is_a_tuple = field_validator("noise_factors", mode="before")(list_as_tuple)

    @field_validator("noise_factors")
    @classmethod
    def _factors_can_be_folded(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(factor % 2 == 0 for factor in value):
            raise ValueError("every factor is odd: a circuit, and then pairs of its inverse and itself")
        if 1 not in value or len(set(value)) < len(value):
            raise ValueError("1, the circuit as it is, must be one of the factors, and each may be named once")
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _factors_belong_to_zne(self) -> MitigationSpec:
        if self.estimation != "zne" and (self.noise_factors, self.extrapolation) != (USUAL_NOISE_FACTORS, "linear"):
            raise ValueError("noise_factors and extrapolation are only used by estimation 'zne'")
        return self

    @model_serializer(mode="wrap")
    def _omit_what_is_not_used(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        unused = set() if self.estimation == "zne" else {"noise_factors", "extrapolation"}
        unused |= {"suppression"} if self.suppression is None else set()
        return {name: value for name, value in fields.items() if name not in unused}

    @property
    def switches(self) -> tuple[str, ...]:
        """The vendor's switches that are asked for, as ``switch:value``."""
        return () if self.suppression is None else self.suppression.switches


def noise_factors(mitigation: MitigationSpec | None) -> tuple[int, ...]:
    """Return how often the gates of a circuit are run for one value, ascending; 1 alone where noise is not amplified."""
    return mitigation.noise_factors if mitigation is not None and mitigation.estimation == "zne" else (1,)
