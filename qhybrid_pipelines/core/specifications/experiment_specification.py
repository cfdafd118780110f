"""An experiment as a user writes it: a strict, frozen specification.

Every field except ``name`` and ``problem`` has a default. Reading YAML or JSON text is `core.specifications.specification_text`; the key under
which an experiment is stored is `core.specifications.experiment_key`. Which families, formats and solvers exist is not known here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from qhybrid_pipelines.core.specifications.annealing_specification import (
    FOR_CIRCUITS,
    MAX_ANNEALED_VARIABLES,
    AnnealingSpec,
    points_and_shots_of_annealing,
)
from qhybrid_pipelines.core.specifications.circuit_specification import MAX_LAYERS, USUAL_POINTS, AnsatzSpec, SweepSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import MitigationSpec, noise_factors
from qhybrid_pipelines.core.specifications.strict_model import (
    SHA256_PATTERN,
    FileSource,
    NamedFile,
    StrictModel,
    each_backend_once,
    list_as_tuple,
)

#: A specification is read from here, whichever module its parts live in.
__all__ = [
    "BACKEND_PATTERN",
    "HARD_MAX_QUBITS",
    "MAX_LAYERS",
    "NAME_PATTERN",
    "SHA256_PATTERN",
    "USUAL_POINTS",
    "USUAL_WINDOWS",
    "WINDOW_QUBITS",
    "AnsatzSpec",
    "BudgetSpec",
    "DataClass",
    "ExperimentSpec",
    "FileSource",
    "GeneratorSource",
    "Lineage",
    "ProblemSpec",
    "ReduceSpec",
    "RoundsSpec",
    "Scalar",
    "StrictModel",
    "SweepSpec",
]

Scalar = bool | int | float | str

#: How sensitive the data behind an experiment is; the policy decides where each may go.
DataClass = Literal["public", "internal", "confidential"]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"
BACKEND_PATTERN = r"^[a-z][a-z0-9_]*:[A-Za-z0-9][A-Za-z0-9_.-]*$"

#: A state vector of 20 qubits is 16 MiB; above that a sweep on the simulator is no longer interactive.
HARD_MAX_QUBITS = 20
#: Qubits of a window, and of a whole model that noise or a device has to carry, unless a specification says how many.
WINDOW_QUBITS = 16
#: Windows of an incumbent that are looked at, unless a specification says how many.
USUAL_WINDOWS = 40


class GeneratorSource(BaseModel):
    """An instance made by the family's own seeded generator; further fields are that generator's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Scalar]

    generator: str = Field(description="Name of one of the family's generators, for example random_regular.")


def _kind_of_source(value: Any) -> str | None:
    """Return which of the three kinds of source a value means to be, so that only that one complains about it."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, FileSource) or (isinstance(value, dict) and value.keys() & {"file", "sha256"}):
        return "FileSource"
    if isinstance(value, GeneratorSource) or (isinstance(value, dict) and "generator" in value):
        return "GeneratorSource"
    return None


class ProblemSpec(StrictModel):
    """Where the instance comes from."""

    family: str = Field(description="What kind of problem it is.")
    source: Annotated[
        Annotated[str, Tag("text")]
        | Annotated[FileSource, Tag("FileSource")]
        | Annotated[GeneratorSource, Tag("GeneratorSource")],
        Discriminator(
            _kind_of_source,
            custom_error_type="no_source",
            custom_error_message="this must be networkx:NAME, a path, or {generator: NAME, ...}",
        ),
    ] = Field(description="networkx:NAME, a path (relative to this file), or {generator: NAME, ...}.")
    format: str | None = Field(
        default=None, description="Only where a file's format cannot be told from its name, for example rudy."
    )
    options: dict[str, Scalar] = Field(
        default_factory=dict, description="The family's own settings, for example {cardinality: 6}."
    )
    circuit: NamedFile | None = Field(
        default=None, description="Path of an OpenQASM 2 or 3 file that is used in place of the ansatz."
    )
    circuit_variables: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Names of the variables that the circuit's outcomes are, in the order of its bits.",
    )

    _list_of_names_is_a_tuple = field_validator("circuit_variables", mode="before")(list_as_tuple)

    @model_validator(mode="after")
    def _names_belong_to_a_circuit(self) -> ProblemSpec:
        names = self.circuit_variables
        if names is not None and self.circuit is None:
            raise ValueError("circuit_variables names the qubits of a circuit, and there is no circuit")
        if names is not None and len(set(names)) < len(names):
            raise ValueError("circuit_variables names a variable twice")
        return self

    @model_serializer(mode="wrap")
    def _omit_absent_circuit(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an absent circuit away, so that experiments without one keep the keys they had before it existed."""
        fields: dict[str, Any] = serialise(self)
        absent = {name for name in ("circuit", "circuit_variables") if getattr(self, name) is None}
        return {name: value for name, value in fields.items() if name not in absent}


class ReduceSpec(StrictModel):
    """What is done classically before anything quantum."""

    max_qubits: Annotated[int, Field(ge=2, le=MAX_ANNEALED_VARIABLES)] | Literal["auto"] = Field(
        default="auto",
        description="Largest reduced model, 20 at most for circuits and 1000 for annealing; auto is 20 where the whole fits and only local:* runs it, 1000 for annealing, else 16.",
    )
    incumbent: Literal["greedy", "annealing"] = Field(
        default="greedy",
        description="Where a subproblem starts from when the reduced model is too large: greedy | annealing.",
    )
    rules: Literal["all", "none"] = Field(
        default="all", description="all | none: every variable of the instance is a qubit, in the instance's order."
    )
    windows: int = Field(
        default=USUAL_WINDOWS,
        ge=1,
        le=1000,
        description="Windows of a larger model that are looked at; the one whose optimum gains most is taken. 1 takes it unseen.",
    )

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the usual rules and windows away, so that experiments keep the keys they had before there was a choice."""
        fields: dict[str, Any] = serialise(self)
        usual = {"rules": "all", "windows": USUAL_WINDOWS}
        return {k: v for k, v in fields.items() if k not in usual or v != usual[k]}


class RoundsSpec(StrictModel):
    """How often a decision may continue with adjusted parameters."""

    max: int = Field(default=2, ge=1, le=20, description="Rounds in all, the first included.")


class BudgetSpec(StrictModel):
    """What the experiment may spend."""

    usd: float = Field(default=0.0, ge=0, description="US dollars over all backends of this experiment.")


class Lineage(StrictModel):
    """Written by the pipeline, not by people: which round this is and where it starts from."""

    round: int = Field(default=1, ge=1, le=20)
    parent: str | None = Field(default=None, description="Key of the experiment that was continued.")
    root: str | None = Field(default=None, description="Key of the first round.")
    incumbent: str | None = Field(
        default=None, pattern=r"^[01]*$", description="Best known assignment, first variable first."
    )


class ExperimentSpec(StrictModel):
    """An immutable experiment: problem, reduction, ansatz, sweep, execution, baselines, rounds, budget."""

    name: str = Field(pattern=NAME_PATTERN, description="Readable name; becomes the first part of the key.")
    tier: Literal["interactive", "batch", "scheduled"] = Field(
        default="batch", description="interactive | batch | scheduled"
    )
    problem: ProblemSpec
    reduce: ReduceSpec = Field(default_factory=ReduceSpec)
    ansatz: AnsatzSpec = Field(default_factory=AnsatzSpec)
    sweep: SweepSpec = Field(default_factory=SweepSpec, validate_default=True)
    shots: int = Field(default=1024, ge=1, le=1_000_000, description="Shots per point and repetition.")
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Root of every random choice.")
    repetitions: int = Field(
        default=10, ge=1, le=1000, description="Independent runs, paired over all solvers; statistics need 10."
    )
    compile: Literal["template", "points"] = Field(
        default="template",
        description="template (compiled once, then bound) | points (each compiled with its numbers, a job per point).",
    )
    annealing: AnnealingSpec | None = Field(
        default=None,
        description="For annealers, in place of ansatz, sweep, shots and compile: {reads, annealing_time_us, chain_strength, gauges}; for hybrid solvers {time_limit_seconds}.",
    )
    mitigation: MitigationSpec | None = Field(
        default=None,
        description="What is done about errors of a device, beside the counts as measured: {estimation: two_body}.",
    )
    backends: tuple[Annotated[str, Field(pattern=BACKEND_PATTERN)], ...] = Field(
        default=("local:auto",), min_length=1, description="provider:backend, each gets its own verdict."
    )
    baselines: Literal["default"] | tuple[str, ...] = Field(
        default="default", description="default, or a list that is added to the always-on baselines."
    )
    rounds: RoundsSpec = Field(default_factory=RoundsSpec)
    budget: BudgetSpec = Field(default_factory=BudgetSpec)
    data_class: DataClass = Field(default="internal", description="public | internal | confidential")
    lineage: Lineage = Field(default_factory=Lineage, description="Written by the pipeline.")

    @model_validator(mode="before")
    @classmethod
    def _annealing_counts_points_and_shots(cls, value: Any) -> Any:
        """Let sweep and shots say what annealing says: how many points there are, and how often each is sampled."""
        return points_and_shots_of_annealing(value)

    @field_validator("sweep")
    @classmethod
    def _only_angles_of_qaoa_are_optimised(cls, value: SweepSpec, info: ValidationInfo) -> SweepSpec:
        """Take the strategy that means something for the circuit where none is named."""
        problem, ansatz = info.data.get("problem"), info.data.get("ansatz")
        is_qaoa = problem is None or ansatz is None or (problem.circuit is None and ansatz.is_qaoa)
        names_its_choice = "strategy" in value.model_fields_set or value.optimises_for_itself
        return value if is_qaoa or names_its_choice else value.around_best_guess()

    _lists_are_tuples = field_validator("backends", "baselines", mode="before")(list_as_tuple)

    @field_validator("baselines", mode="before")
    @classmethod
    def _baselines_are_default_or_a_list(cls, value: Any) -> Any:
        if value != "default" and not isinstance(value, list | tuple):
            raise ValueError("this must be default, or a list such as [multistart_local_search]")
        return value

    _backends_are_distinct = field_validator("backends")(each_backend_once)

    @property
    def widest(self) -> int:
        """Most qubits of a reduced model that is the whole of what exact steps leave."""
        if self.reduce.max_qubits != "auto":
            return self.reduce.max_qubits
        if self.annealing is not None:
            return MAX_ANNEALED_VARIABLES
        return HARD_MAX_QUBITS if all(name.startswith("local:") for name in self.backends) else WINDOW_QUBITS

    @property
    def window_qubits(self) -> int:
        """Most qubits of a window of it, where the whole is wider."""
        if self.annealing is not None:  # a window's optimum is looked up, however wide the annealer is
            return min(self.widest, HARD_MAX_QUBITS)
        return WINDOW_QUBITS if self.reduce.max_qubits == "auto" else self.reduce.max_qubits

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the usual way to compile and what is absent away, so that experiments keep the keys they had before these existed."""
        fields: dict[str, Any] = serialise(self)
        usual = {"compile": "template", "annealing": None, "mitigation": None}
        return {k: v for k, v in fields.items() if k not in usual or v != usual[k]}

    @model_validator(mode="after")
    def _width_fits_the_plane(self) -> ExperimentSpec:
        width = self.reduce.max_qubits
        if self.annealing is None and width != "auto" and width > HARD_MAX_QUBITS:
            raise PydanticCustomError(
                "too_wide_for_circuits",
                "circuits take at most {most} qubits (given: {width}); lower it, or say annealing",
                {"most": HARD_MAX_QUBITS, "width": width, "field": "reduce.max_qubits"},
            )
        return self

    @model_validator(mode="after")
    def _annealing_has_no_circuit(self) -> ExperimentSpec:
        if self.annealing is None:
            return self
        given = (
            ("ansatz", self.ansatz != AnsatzSpec()),
            ("problem.circuit", self.problem.circuit is not None),
            ("compile", self.compile != "template"),
            ("mitigation", self.mitigation is not None),
        )
        for field, is_given in given:
            if is_given:
                raise PydanticCustomError(
                    "annealing_and_circuits",
                    FOR_CIRCUITS,
                    {"field": field},
                )
        return self

    @model_validator(mode="after")
    def _noise_is_not_amplified_in_loops(self) -> ExperimentSpec:
        if self.sweep.is_loop and len(noise_factors(self.mitigation)) > 1:
            raise PydanticCustomError(
                "zne_of_a_loop",
                "zne is for sweeps whose points are planned at once, not for a loop; write two_body, or none, or another strategy",
                {"field": "mitigation.estimation"},
            )
        return self

    @model_validator(mode="after")
    def _auto_knows_the_angles(self) -> ExperimentSpec:
        if self.sweep.strategy == "auto" and (self.problem.circuit is not None or not self.ansatz.is_qaoa):
            raise PydanticCustomError(
                "auto_needs_qaoa",
                "sweep: auto optimises the angles of QAOA; for another circuit use random, grid or refine",
                {"field": "sweep.strategy"},
            )
        return self

    @model_validator(mode="after")
    def _depth_can_be_chosen(self) -> ExperimentSpec:
        if self.ansatz.layers != "auto":
            return self
        if self.sweep.strategy != "auto" or not self.ansatz.is_qaoa:
            raise PydanticCustomError(
                "depth_needs_optimised_angles",
                "layers: auto compares optimised angles of QAOA at several depths; leave sweep out, or name the layers",
                {"field": "ansatz.layers"},
            )
        if len(self.backends) > 1:
            raise PydanticCustomError(
                "depth_of_one_backend",
                "layers: auto takes the depth that one backend carries, and {count} are named; write vary: {fields}",
                {
                    "count": len(self.backends),
                    "fields": "{backends: [[...], [...]]}",
                    "field": "ansatz.layers",
                },
            )
        return self

    @model_validator(mode="after")
    def _centre_fits_the_ansatz(self) -> ExperimentSpec:
        center = self.sweep.center
        if self.problem.circuit is not None:
            if self.ansatz != AnsatzSpec():
                raise PydanticCustomError(
                    "ansatz_and_circuit",
                    "the circuit of problem.circuit takes the place of the ansatz; name one of the two",
                    {"field": "ansatz"},
                )
            return self
        if center is not None and self.ansatz.is_qaoa and len(center) != 2 * self.ansatz.depth:
            raise PydanticCustomError(
                "center_length",
                "QAOA with {layers} layers needs {angles} angles, gammas first, and {given} are given",
                {
                    "layers": self.ansatz.layers,
                    "angles": 2 * self.ansatz.layers,
                    "given": len(center),
                    "field": "sweep.center",
                },
            )
        return self
