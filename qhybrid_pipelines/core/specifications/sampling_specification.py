"""A sampling experiment as a user writes it: a strict, frozen specification of kind ``sampling``.

It follows the conventions of `core.specifications.experiment_specification`: circuits are run as they are and their outcomes compared with what they
should be; nothing is optimised. Every field except ``name`` and ``circuit`` has a default.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from qhybrid_pipelines.core.specifications.experiment_specification import (
    BACKEND_PATTERN,
    NAME_PATTERN,
    BudgetSpec,
    DataClass,
    ExperimentSpec,
    StrictModel,
)
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import MitigationSpec
from qhybrid_pipelines.core.specifications.observables import parse_observable
from qhybrid_pipelines.core.specifications.strict_model import (
    NamedFile,
    each_backend_once,
    each_entry_once,
    list_as_tuple,
)

#: Most circuits of one series: each is compiled, queued and billed as a job of its own.
MAX_CIRCUITS = 200
#: Widest circuit of a family; above, no device is named that could run it.
MAX_WIDTH = 128
MAX_DEPTH = 1000
MAX_FILES = 50
#: Most observables of one series.
MAX_OBSERVABLES = 100
#: An outcome, classical bit 0 rightmost.
OUTCOME_PATTERN = r"^[01]{1,1024}$"

_RANGE = ("from", "to", "step")


def _family_names() -> tuple[str, ...]:
    """Return the families of circuits; they are extensions, found by presence in a room above this one."""
    registry = importlib.import_module("qhybrid_pipelines.sampling.registry")
    names: tuple[str, ...] = registry.family_names()
    return names


def _named_observable(text: str) -> str:
    try:
        return parse_observable(text).name
    except ValueError as error:
        raise PydanticCustomError("no_observable", "{problem}", {"problem": str(error)}) from None


def _check_family(name: str) -> str:
    if name not in _family_names():
        raise PydanticCustomError(
            "literal_error", "this must be one of: {expected}", {"expected": ", ".join(_family_names())}
        )
    return name


class _NamesInSchema:
    """Lists the families in the JSON schema."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": list(_family_names())}


def _numbers(value: Any) -> Any:
    """Return a list of whole numbers of one number, a list, or ``{from: 3, to: 12, step: 1}``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return (value,)
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in _RANGE]
        given = [value.get("from"), value.get("to"), value.get("step", 1)]
        if unknown or not all(isinstance(number, int) and not isinstance(number, bool) for number in given):
            raise ValueError("a range is {from: 3, to: 12}, with a step where it is not 1")
        first, last, step = given
        if step < 1 or last < first:
            raise ValueError("a range goes up: to is at least from, and step at least 1")
        return tuple(range(first, min(last, first + step * MAX_CIRCUITS) + 1, step))
    return list_as_tuple(value)


class CircuitSpec(StrictModel):
    """The circuits that are run: a family in several sizes, or files."""

    family: Annotated[str, AfterValidator(_check_family), _NamesInSchema] | None = Field(
        default=None, description="A family of circuits; or null, and files are named."
    )
    widths: tuple[Annotated[int, Field(ge=1, le=MAX_WIDTH)], ...] = Field(
        default=(), description="Qubits: a number, a list, or {from: 3, to: 12}."
    )
    depths: tuple[Annotated[int, Field(ge=1, le=MAX_DEPTH)], ...] = Field(
        default=(), description="Layers, the same way, for families that have them; [] is the family's own depth."
    )
    instances: int = Field(default=1, ge=1, le=MAX_CIRCUITS, description="Random circuits of each width and depth.")
    files: tuple[NamedFile, ...] = Field(
        default=(), max_length=MAX_FILES, description="Paths of OpenQASM 2 or 3 files, in place of a family."
    )

    _several_numbers = field_validator("widths", "depths", mode="before")(_numbers)

    _list_is_a_tuple = field_validator("files", mode="before")(list_as_tuple)

    _entries_are_distinct = field_validator("widths", "depths")(each_entry_once)

    @model_validator(mode="after")
    def _family_or_files(self) -> CircuitSpec:
        if (self.family is None) != bool(self.files):
            raise PydanticCustomError(
                "family_or_files",
                "there are no circuits: name a family, or files"
                if self.family is None
                else "a family and files are named; a series is one of the two",
                {"field": "family"},
            )
        if self.family is None:
            for name in ("widths", "depths", "instances"):
                if name in self.model_fields_set and getattr(self, name) not in ((), 1):
                    raise PydanticCustomError(
                        "size_of_files", "the size of a circuit from a file is that of the file", {"field": name}
                    )
            return self
        if not self.widths:
            raise PydanticCustomError(
                "no_widths", "the family needs widths, for example [3, 4, 5]", {"field": "widths"}
            )
        number = len(self.widths) * max(len(self.depths), 1) * self.instances
        if number > MAX_CIRCUITS:
            raise PydanticCustomError(
                "too_many_circuits",
                "the series has {number} circuits, and at most {most} are run as one experiment",
                {"field": "widths", "number": number, "most": MAX_CIRCUITS},
            )
        return self


class ReferenceSpec(StrictModel):
    """What the outcomes are compared with: the exact distribution, unless a file or an outcome is named."""

    file: NamedFile | None = Field(
        default=None, description="Path of a CSV file: outcome, probability, and circuit where there are several."
    )
    outcome: str | None = Field(
        default=None, pattern=OUTCOME_PATTERN, description="The one right outcome, bit 0 rightmost, in quotes."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ReferenceSpec:
        if self.file is not None and self.outcome is not None:
            raise PydanticCustomError(
                "two_references", "a file and an outcome are named; keep one", {"field": "outcome"}
            )
        return self

    @property
    def is_computed(self) -> bool:
        """Whether the reference follows from the circuits."""
        return self.file is None and self.outcome is None


class SamplingSpec(StrictModel):
    """An immutable sampling experiment: circuits, reference, execution, budget."""

    kind: Literal["sampling"] = Field(
        default="sampling", description="Tells a sampling experiment from an optimisation."
    )
    name: str = Field(pattern=NAME_PATTERN, description="Readable name; becomes the first part of the key.")
    tier: Literal["interactive", "batch", "scheduled"] = Field(
        default="batch", description="interactive | batch | scheduled"
    )
    circuit: CircuitSpec
    reference: ReferenceSpec = Field(default_factory=ReferenceSpec)
    margin: float = Field(
        default=0.01, ge=0, le=0.5, description="Polarisation up to which outcomes are no better than uniform ones."
    )
    shots: int = Field(default=1024, ge=1, le=1_000_000, description="Shots per circuit and repetition.")
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Root of every random choice.")
    repetitions: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Independent runs of every circuit; whether they agree enters the intervals.",
    )
    observables: tuple[Annotated[str, AfterValidator(_named_observable)], ...] = Field(
        default=(),
        max_length=MAX_OBSERVABLES,
        description="Products of X, Y and Z whose expectation each circuit is measured for, for example [Z0 Z1, X0].",
    )
    mitigation: MitigationSpec | None = Field(
        default=None, description="What is done about errors of a device in observables: {estimation: two_body}."
    )
    backends: tuple[Annotated[str, Field(pattern=BACKEND_PATTERN)], ...] = Field(
        default=("local:auto",), min_length=1, description="provider:backend, each gets its own verdict."
    )
    budget: BudgetSpec = Field(default_factory=BudgetSpec)
    data_class: DataClass = Field(default="internal", description="public | internal | confidential")

    @field_validator("observables")
    @classmethod
    def _observables_are_distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("each observable may be named once")
        return value

    @model_validator(mode="after")
    def _estimation_needs_observables(self) -> SamplingSpec:
        only_switches = (
            self.mitigation is not None and self.mitigation.estimation == "none" and self.mitigation.switches
        )
        if self.mitigation is not None and not self.observables and not only_switches:
            raise PydanticCustomError(
                "nothing_to_mitigate",
                "estimation is about expectation values, and no observables are named; scores are those of the samples",
                {"field": "mitigation"},
            )
        return self

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is absent, so that experiments keep the keys they had before it existed."""
        fields: dict[str, Any] = serialise(self)
        absent = {name for name in ("observables", "mitigation") if not getattr(self, name)}
        return {name: value for name, value in fields.items() if name not in absent}

    _lists_are_tuples = field_validator("backends", "observables", mode="before")(list_as_tuple)

    _backends_are_distinct = field_validator("backends")(each_backend_once)


#: A specification of whichever kind.
AnySpec = ExperimentSpec | LearningSpec | SamplingSpec
#: One whose circuits are batches of the tables `circuit_batches` and `qpu_submissions`.
CircuitsSpec = ExperimentSpec | SamplingSpec
