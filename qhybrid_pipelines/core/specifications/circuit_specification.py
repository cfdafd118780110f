"""The part of a specification that says which circuit is run, and at which angles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from qhybrid_pipelines.core.specifications.strict_model import NamedFile, StrictModel, list_as_tuple

MAX_LAYERS = 32
#: Points of a sweep around a best guess, unless a specification says how many.
USUAL_POINTS = 16
#: Variables that recursive QAOA leaves, unless a specification says how many.
USUAL_KEPT = 8
#: Share of the shots whose mean energy is minimised, unless a specification says which.
USUAL_ALPHA = 0.1
#: Steps of a loop that optimises through a backend, unless a specification says how many.
USUAL_STEPS = 16


class AnsatzSpec(StrictModel):
    """The parameterised circuit."""

    kind: Literal["qaoa", "recursive_qaoa", "hardware_efficient"] = Field(
        default="qaoa",
        description="qaoa | recursive_qaoa (simulated circuits eliminate variables first) | hardware_efficient",
    )
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)] | Literal["auto"] = Field(
        default=2, description="Depth p of the ansatz; auto takes the depth that the backend's gate errors carry."
    )
    mixer: Literal["auto", "x", "xy", "warm_start"] = Field(
        default="auto",
        description="auto | x | xy | warm_start (begins near a relaxed minimum); auto stays in the feasible subspace where a cardinality allows it.",
    )
    keep: int = Field(
        default=USUAL_KEPT,
        ge=2,
        le=20,
        description="For recursive_qaoa: variables that are left for the circuit that is run.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"kind": value} if value == "recursive_qaoa" else value

    @model_validator(mode="after")
    def _keep_belongs_to_the_recursion(self) -> AnsatzSpec:
        if self.kind != "recursive_qaoa" and self.keep != USUAL_KEPT:
            raise ValueError("keep is only used by kind 'recursive_qaoa'")
        if self.kind == "recursive_qaoa" and (self.layers == "auto" or self.mixer in ("xy", "warm_start")):
            raise ValueError("recursive_qaoa takes a number of layers and the x mixer")
        return self

    @property
    def is_qaoa(self) -> bool:
        """Whether its angles are gammas and betas of a cost."""
        return self.kind != "hardware_efficient"

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the usual number of kept variables away, so that experiments keep the keys they had before it existed."""
        fields: dict[str, Any] = serialise(self)
        return fields if self.keep != USUAL_KEPT else {k: v for k, v in fields.items() if k != "keep"}

    @property
    def depth(self) -> int:
        """Number of layers.

        Raises:
            ValueError: it is chosen by evidence, and was not yet.
        """
        if self.layers == "auto":
            raise ValueError("the depth has not been chosen yet")
        return self.layers


def _usual_points(chosen: dict[str, Any]) -> int:
    """Return how many points a sweep has that names no number; of a file of angles they are counted when it is registered."""
    if chosen.get("strategy") == "optimise":
        return 2 if chosen.get("optimiser") == "spsa" else 1
    return 1 if chosen.get("strategy") in ("auto", "given") else USUAL_POINTS


def _usual_optimiser(chosen: dict[str, Any]) -> Literal["cobyla"] | None:
    return "cobyla" if chosen.get("strategy") == "optimise" else None


def _usual_steps(chosen: dict[str, Any]) -> int | None:
    return USUAL_STEPS if chosen.get("strategy") == "optimise" else None


def _usual_objective(chosen: dict[str, Any]) -> Literal["cvar", "optimum"]:
    """Return what is optimised for; how likely the optimum is does not show in the shots of a device."""
    return "cvar" if chosen.get("strategy") == "optimise" else "optimum"


class SweepSpec(StrictModel):
    """The parameter points that are tried."""

    strategy: Literal["auto", "given", "fixed_angles", "ramp", "grid", "random", "refine", "optimise"] = Field(
        default="auto",
        description="auto | given | fixed_angles | ramp | grid | random | refine | optimise; auto optimises the angles of QAOA on "
        "the exact state before anything is sent, and spends the shots there; optimise goes step by step through the backend. "
        "For other circuits the default is fixed_angles.",
    )
    optimiser: Literal["cobyla", "spsa", "bayesian"] | None = Field(
        default_factory=_usual_optimiser,
        description="For optimise: cobyla | spsa | bayesian; if not given cobyla.",
    )
    steps: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default_factory=_usual_steps,
        description="For optimise: batches of circuits at most, one after the other; if not given 16.",
    )
    file: NamedFile | None = Field(
        default=None, description="For given: path of a CSV file with one point a line, in radians."
    )
    points: int = Field(
        default_factory=_usual_points,
        ge=1,
        le=65536,
        description="Number of parameter points; if not given 1 for auto, those of the file for given, else 16. For optimise "
        "those of each step: 2 for spsa, else 1.",
    )
    objective: Literal["optimum", "cvar", "expectation"] = Field(
        default_factory=_usual_objective,
        description="For auto and optimise: optimum (its probability, which only an exact state shows) | cvar (mean of the best "
        "shots) | expectation; if not given optimum for auto, cvar for optimise.",
    )
    alpha: float = Field(
        default=USUAL_ALPHA, gt=0, le=1, description="For cvar: the share of the shots whose mean energy is minimised."
    )
    center: tuple[float, ...] | None = Field(
        default=None, description="For refine: the angles to search around, gammas first, then betas (radians)."
    )
    spread: float = Field(
        default=0.3, gt=0, le=4, description="For refine: relative half-width of the box around the centre."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"strategy": value} if value == "auto" else value

    _list_is_a_tuple = field_validator("center", mode="before")(list_as_tuple)

    @model_validator(mode="after")
    def _centre_belongs_to_refine(self) -> SweepSpec:
        if self.center is not None and self.strategy not in ("refine", "optimise"):
            raise ValueError("center is only used by the strategies 'refine' and 'optimise'")
        return self

    @model_validator(mode="after")
    def _loop_is_whole(self) -> SweepSpec:
        if not self.is_loop:
            if self.optimiser is not None or self.steps is not None:
                raise ValueError("optimiser and steps are only used by strategy 'optimise'")
            return self
        if self.optimiser is None or self.steps is None:
            raise ValueError(
                "strategy 'optimise' needs an optimiser and a number of steps; leave both out for the usual ones"
            )
        if self.objective == "optimum":
            raise ValueError(
                "how likely the optimum is does not show in the shots of a device; use objective 'cvar' or 'expectation'"
            )
        if self.optimiser == "cobyla" and self.points != 1:
            raise ValueError(
                "cobyla asks for one point a step; leave points out, or use optimiser 'bayesian' or 'spsa'"
            )
        if self.optimiser == "spsa" and self.points % 2:
            raise ValueError("spsa asks for pairs of points; use an even number of points")
        return self

    @property
    def is_loop(self) -> bool:
        """Whether the angles are optimised step by step through the backend."""
        return self.strategy == "optimise"

    @model_validator(mode="after")
    def _objective_belongs_to_auto(self) -> SweepSpec:
        if self.optimises_for_itself and self.strategy not in ("auto", "optimise"):
            raise ValueError("objective and alpha are only used by the strategies 'auto' and 'optimise'")
        if "alpha" in self.model_fields_set and self.alpha != USUAL_ALPHA and self.objective != "cvar":
            raise ValueError("alpha is only used by objective 'cvar'")
        return self

    @property
    def optimises_for_itself(self) -> bool:
        """Whether it says what the angles are optimised for."""
        return self.objective != "optimum" or self.alpha != USUAL_ALPHA

    def around_best_guess(self) -> SweepSpec:
        """Return the sweep around a best guess, with what this one names: the default of the first releases."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        return SweepSpec(**{**named, "strategy": "fixed_angles"})

    @model_validator(mode="after")
    def _file_belongs_to_given(self) -> SweepSpec:
        if (self.file is None) == (self.strategy == "given"):
            raise ValueError(
                "strategy 'given' takes the angles of a file, and no file is named"
                if self.file is None
                else "file is only used by strategy 'given'"
            )
        return self

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is absent or usual, so that experiments keep the keys they had before these fields existed."""
        fields: dict[str, Any] = serialise(self)
        usual = {"file": None, "objective": "optimum", "alpha": USUAL_ALPHA, "optimiser": None, "steps": None}
        return {k: v for k, v in fields.items() if k not in usual or v != usual[k]}
