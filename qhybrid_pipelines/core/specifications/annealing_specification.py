"""The part of a specification that says how an annealer or a hybrid solver is driven, in place of circuit, sweep and shots."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from qhybrid_pipelines.core.specifications.circuit_specification import SweepSpec
from qhybrid_pipelines.core.specifications.strict_model import StrictModel

#: Widest reduced model that is made for annealers; whether it can be embedded is seen when it is planned.
MAX_ANNEALED_VARIABLES = 1000
#: Settings of one experiment at most: each is a programming cycle of its own, and so a job, for every repetition.
MAX_SETTINGS = 256
#: Longest run of a hybrid solver, seconds.
MAX_HYBRID_SECONDS = 86_400

#: What is said of a field that only circuits have.
FOR_CIRCUITS = (
    "{field} is for circuits, and this anneals; leave it out: annealing says reads, annealing_time_us, chain_strength and gauges, "
    "or time_limit_seconds for hybrid solvers"
)

Microseconds = Annotated[float, Field(gt=0, le=2000)]
StrengthFactor = Annotated[float, Field(gt=0, le=100)]


class AnnealingSpec(StrictModel):
    """How an annealer samples: every combination of time, chain strength and gauge is a point; or how long a hybrid solver works."""

    reads: int = Field(default=100, ge=1, le=10_000, description="Reads per point and repetition.")
    annealing_time_us: tuple[Microseconds, ...] = Field(
        default=(20.0,), min_length=1, description="Microseconds of one anneal, a number or a list."
    )
    chain_strength: tuple[StrengthFactor, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="Factor of Ocean's default (uniform torque compensation), a number or a list.",
    )
    gauges: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Gauges of each: 0 as it is, then with random variables upside down, which averages errors of the machine.",
    )
    time_limit_seconds: float | None = Field(
        default=None,
        gt=0,
        le=MAX_HYBRID_SECONDS,
        description="For hybrid solvers, in place of the others: seconds that each repetition may take, and is billed for.",
    )

    @field_validator("annealing_time_us", "chain_strength", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(float(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in values)

    @field_validator("annealing_time_us", "chain_strength")
    @classmethod
    def _each_once(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(value)) < len(value):
            raise ValueError("this list has a value twice")
        return value

    @model_validator(mode="after")
    def _a_hybrid_solver_has_no_settings(self) -> AnnealingSpec:
        given = sorted(self.model_fields_set - {"time_limit_seconds"})
        if self.is_hybrid and given:
            raise PydanticCustomError(
                "hybrid_and_annealer",
                "{name} is for annealers, and time_limit_seconds for hybrid solvers, which have no reads, times or chains; leave one of them out",
                {"name": given[0], "field": f"annealing.{given[0]}"},
            )
        return self

    @model_serializer(mode="wrap")
    def _say_one_of_the_two(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what one kind of solver is told; experiments on annealers keep the keys that they had before hybrid solvers came."""
        fields: dict[str, Any] = serialise(self)
        return {k: v for k, v in fields.items() if (k == "time_limit_seconds") == self.is_hybrid}

    @property
    def is_hybrid(self) -> bool:
        """Whether this is for a hybrid solver, which is told how long to work and nothing else."""
        return self.time_limit_seconds is not None

    @property
    def samples(self) -> int:
        """Outcomes per point and repetition: reads, or the one answer of a hybrid solver."""
        return 1 if self.is_hybrid else self.reads

    @property
    def settings(self) -> list[tuple[float, float, int]]:
        """Annealing time in microseconds, chain strength and gauge of each point; of a hybrid solver one that means nothing."""
        return list(product(self.annealing_time_us, self.chain_strength, range(self.gauges)))


def points_and_shots_of_annealing(value: Any) -> Any:
    """Return the fields of a specification with the sweep and shots that its annealing says; anything else as it is.

    Raises:
        pydantic_core.PydanticCustomError: they are also named, and say something else; or there are too many settings.
    """
    given = value.get("annealing") if isinstance(value, dict) else None
    if given is None:
        return value
    try:
        annealing = given if isinstance(given, AnnealingSpec) else AnnealingSpec.model_validate(given)
    except ValidationError:
        return value  # the field itself tells what is wrong, and where
    number = len(annealing.settings)
    said: dict[str, Any] = {"sweep": {"strategy": "grid", "points": number}, "shots": annealing.samples}
    for field, counted in said.items():
        named = value.get(field, counted)
        plain = named.model_dump(include={"strategy", "points"}) if isinstance(named, SweepSpec) else named
        if plain != counted and not (isinstance(plain, dict) and plain.items() >= counted.items()):
            raise PydanticCustomError(
                "annealing_and_circuits",
                FOR_CIRCUITS,
                {"field": field},
            )
    if number > MAX_SETTINGS:
        raise PydanticCustomError(
            "too_many_settings",
            "annealing has {number} combinations of time, chain strength and gauge, and at most {most} are run",
            {"number": number, "most": MAX_SETTINGS, "field": "annealing"},
        )
    return value | said
