"""A learning experiment as a user writes it: a strict, frozen specification of kind ``qml``.

It follows the conventions of `core.specifications.experiment_specification`. Every field except ``name`` and ``dataset`` has a default.
What a data set holds is not known here; it is checked by `learning.evaluation` before anything is trained.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol, get_args

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

from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.core.specifications.experiment_specification import (
    BACKEND_PATTERN,
    NAME_PATTERN,
    BudgetSpec,
    DataClass,
    StrictModel,
)
from qhybrid_pipelines.core.specifications.features_specification import MAX_LEARNING_QUBITS, FeaturesSpec
from qhybrid_pipelines.core.specifications.own_circuit_specification import OWN_CIRCUIT, OwnCircuitSpec
from qhybrid_pipelines.core.specifications.strict_model import each_entry_once, list_as_tuple
from qhybrid_pipelines.core.specifications.training_specification import TrainingSpec
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric

BaselineName = Literal["logistic_regression", "rbf_svm", "gradient_boosting", "mlp"]
#: The models that run where a specification names none. One that is added later runs where it is named: another default would
#: give experiments that are there another key.
DEFAULT_MODELS = ("variational", "separable", "kernel")

#: Folds of rows in the order of time, where a specification says nothing else; a claim needs ten.
TIME_FOLDS = {"k": 10, "repeats": 1}


class _ModelFacts(Protocol):
    """What a specification must know of a model; `learning.models.trainable_model` says what each means."""

    unentangled_control: str | None
    is_measured: bool
    needs_circuit: bool
    is_kernel: bool


def known_models() -> Mapping[str, _ModelFacts]:
    """Return the models that can be trained, by name.

    They are extensions, found by presence in a room above this one, so it is looked up by its name when it is needed.
    """
    models: Mapping[str, _ModelFacts] = importlib.import_module(
        "qhybrid_pipelines.learning.models.registry"
    ).all_models()
    return models


def _check_model_name(name: str) -> str:
    if name not in known_models():
        expected = ", ".join(_in_order(known_models()))
        raise PydanticCustomError("literal_error", "this must be one of: {expected}", {"expected": expected})
    return name


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of models, the default ones first."""
    wanted = set(names)
    return (*(name for name in DEFAULT_MODELS if name in wanted), *sorted(wanted.difference(DEFAULT_MODELS)))


class _NamesInSchema:
    """Lists the models in the JSON schema."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": list(_in_order(known_models()))}


class FoldsSpec(StrictModel):
    """Repeated stratified k-fold, the same folds for every model; with ``dataset.time`` folds that go forward in time."""

    k: int = Field(
        default=5,
        ge=2,
        le=20,
        description="Folds; each row is tested once per repeat. With dataset.time, if not given, 10, one after the other.",
    )
    repeats: int = Field(
        default=2,
        ge=1,
        le=50,
        description="Repeats; a claim needs 10 folds in all. With dataset.time always 1.",
    )


class TuningSpec(StrictModel):
    """How many settings each model may try, quantum or classical."""

    trials: int = Field(
        default=4, ge=1, le=200, description="Settings tried per model and fold; the first is the default."
    )


class EvaluationSpec(StrictModel):
    """What is measured on the test folds, where, and what counts as a difference."""

    metric: Metric = Field(
        default="accuracy",
        description="accuracy | balanced_accuracy | roc_auc | log_loss | f1 | recall | average_precision | mcc | brier; the verdict "
        "is about it.",
    )
    margin: float = Field(
        default=0.01, ge=0, le=0.5, description="Mean gain that counts as better, in the metric's unit."
    )
    shots: tuple[Annotated[int, Field(ge=1, le=1_000_000)] | None, ...] = Field(
        default=(None, 1024), min_length=1, description="Shots per test row; null is the exact expectation."
    )
    backends: tuple[Annotated[str, Field(pattern=BACKEND_PATTERN)], ...] = Field(
        default=("local:auto",), min_length=1, description="provider:backend, each gets its own verdict."
    )
    gradient_rows: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Training rows of the first fold whose loss gradient is measured too, by parameter shift.",
    )
    curve: tuple[Annotated[int, Field(ge=4)], ...] = Field(
        default=(), description="Numbers of training rows of the learning curve, for example [20, 50, 100]."
    )
    measure_kernel: bool = Field(
        default=False,
        description="true: the kernel is measured too, at each number of shots: a circuit for every pair of rows.",
    )

    _lists_are_tuples = field_validator("shots", "backends", "curve", mode="before")(list_as_tuple)

    _entries_are_distinct = field_validator("shots", "backends", "curve")(each_entry_once)

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody chose, so that experiments keep the keys they had before there was a choice."""
        return {name: value for name, value in serialise(self).items() if name != "measure_kernel" or value}


class LearningSpec(StrictModel):
    """An immutable learning experiment: data, features, models, folds, tuning, evaluation, baselines, budget."""

    kind: Literal["qml"] = Field(default="qml", description="Tells a learning experiment from an optimisation.")
    name: str = Field(pattern=NAME_PATTERN, description="Readable name; becomes the first part of the key.")
    tier: Literal["interactive", "batch", "scheduled"] = Field(
        default="batch", description="interactive | batch | scheduled"
    )
    dataset: DatasetSpec
    features: FeaturesSpec = Field(default_factory=FeaturesSpec)
    models: tuple[Annotated[str, AfterValidator(_check_model_name), _NamesInSchema], ...] = Field(
        default=DEFAULT_MODELS,
        min_length=1,
        description="Models to train; the control without entanglement, separable, always runs with variational.",
    )
    circuit: OwnCircuitSpec | None = Field(
        default=None,
        description="A circuit of your own as the model own_circuit: {file: mine.qasm, data: [x0, x1]}, its other inputs are weights.",
    )
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    folds: FoldsSpec = Field(default_factory=FoldsSpec)
    tuning: TuningSpec = Field(default_factory=TuningSpec)
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    baselines: Literal["default"] | tuple[BaselineName, ...] = Field(
        default="default", description="default is all: logistic_regression, rbf_svm, gradient_boosting, mlp."
    )
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Root of every random choice.")
    budget: BudgetSpec = Field(default_factory=BudgetSpec)
    data_class: DataClass = Field(default="internal", description="public | internal | confidential")

    _lists_are_tuples = field_validator("models", "baselines", mode="before")(list_as_tuple)

    @field_validator("baselines", mode="before")
    @classmethod
    def _baselines_are_default_or_a_list(cls, value: Any) -> Any:
        if value != "default" and not (isinstance(value, list | tuple) and value):
            raise ValueError("this must be default, or a list such as [logistic_regression, rbf_svm]")
        return value

    _entries_are_distinct = field_validator("models", "baselines")(each_entry_once)

    @model_validator(mode="before")
    @classmethod
    def _folds_in_time_are_not_repeated(cls, value: Any) -> Any:
        """Set the usual folds of rows in the order of time: what is drawn at random elsewhere is given there."""
        if not isinstance(value, Mapping):
            return value
        dataset, folds = value.get("dataset"), value.get("folds", {})
        if isinstance(dataset, Mapping) and dataset.get("time") is not None and isinstance(folds, Mapping):
            return {**value, "folds": {**TIME_FOLDS, **folds}}
        return value

    @model_validator(mode="before")
    @classmethod
    def _trained_where_it_is_measured(cls, value: Any) -> Any:
        """Measure circuits on the backend that they are trained on, where nothing else is said."""
        if not isinstance(value, Mapping):
            return value
        training, evaluation = value.get("training"), value.get("evaluation", {})
        if isinstance(training, Mapping) and training.get("backend") is not None and isinstance(evaluation, Mapping):
            return {**value, "evaluation": {"backends": [training["backend"]], **evaluation}}
        return value

    @model_validator(mode="before")
    @classmethod
    def _circuit_is_the_model(cls, value: Any) -> Any:
        """Train the circuit that is named, on as many components as it has inputs for, where nothing else is said."""
        circuit = value.get("circuit") if isinstance(value, Mapping) else None
        if not isinstance(circuit, Mapping):
            return value
        features, data = value.get("features", {}), circuit.get("data")
        if isinstance(features, Mapping) and isinstance(data, list | tuple) and data:
            features = {"pca": min(len(data), MAX_LEARNING_QUBITS), **features}
        return {"models": (OWN_CIRCUIT,), **value, "features": features}

    @model_validator(mode="after")
    def _circuit_has_its_model(self) -> LearningSpec:
        needing = [name for name in self.models if known_models()[name].needs_circuit]
        if needing and self.circuit is None:
            raise PydanticCustomError(
                "no_circuit",
                "{model} trains a circuit of your own, and none is named; add circuit: with file and data, or take another model",
                {"field": "circuit", "model": needing[0]},
            )
        if self.features.encoding is not None and len(needing) == len(self.models):
            raise PydanticCustomError(
                "own_encoding",
                "a circuit of your own says itself how features enter it; leave the encoding out",
                {"field": "features.encoding"},
            )
        if self.circuit is not None and not needing:
            raise PydanticCustomError(
                "circuit_without_model",
                "a circuit is named, and no model trains it; add {model}, or remove circuit",
                {"field": "models", "model": OWN_CIRCUIT},
            )
        return self

    @model_validator(mode="after")
    def _loop_can_be_run(self) -> LearningSpec:
        backend = self.training.backend
        if backend is None:
            return self
        if not self.measured_models or backend not in self.backends:
            raise PydanticCustomError(
                "trained_elsewhere",
                "circuits are trained on {backend}, which does not measure any of them; name a variational model, a number of shots "
                "in evaluation.shots, and {backend} among evaluation.backends",
                {"field": "training.backend", "backend": backend},
            )
        if self.evaluation.curve:
            raise PydanticCustomError(
                "curve_on_backend",
                "a learning curve trains every model again at each size, and training takes place on {backend}; leave it out",
                {"field": "evaluation.curve", "backend": backend},
            )
        return self

    @model_validator(mode="after")
    def _time_has_one_order(self) -> LearningSpec:
        if self.dataset.time is not None and self.folds.repeats != 1:
            raise PydanticCustomError(
                "repeated_time",
                "folds in the order of dataset.time are the same in every repeat; use 1, and more folds",
                {"field": "folds.repeats"},
            )
        return self

    @model_validator(mode="after")
    def _something_is_evaluated(self) -> LearningSpec:
        if self.evaluation.measure_kernel and not self.measured_kernels:
            raise PydanticCustomError(
                "no_kernel",
                "there is no kernel to measure; name kernel among the models and a number of shots, or leave it out",
                {"field": "evaluation.measure_kernel"},
            )
        if None not in self.evaluation.shots and not self.backends:
            raise PydanticCustomError(
                "needs_exact",
                "{models}: evaluated exactly only, and null is not among the shots",
                {"field": "evaluation.shots", "models": ", ".join(self.models)},
            )
        return self

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models that run: a control without entanglement always runs with its model."""
        controls = {known_models()[name].unentangled_control for name in self.models}
        return _in_order({*self.models, *filter(None, controls)})

    @property
    def baseline_names(self) -> tuple[BaselineName, ...]:
        """The baselines that run, ``default`` written out."""
        return get_args(BaselineName) if self.baselines == "default" else self.baselines

    @property
    def measured_models(self) -> tuple[str, ...]:
        """The models whose circuits are measured, one circuit for each row."""
        known = known_models()
        return tuple(name for name in self.model_names if known[name].is_measured) if self.measured_shots else ()

    @property
    def measured_kernels(self) -> tuple[str, ...]:
        """The models whose kernel is measured, one circuit for each pair of rows; none unless that was asked for."""
        known, wanted = known_models(), self.evaluation.measure_kernel and self.measured_shots
        return tuple(name for name in self.model_names if known[name].is_kernel) if wanted else ()

    @property
    def measured_shots(self) -> tuple[int, ...]:
        """The numbers of shots, without the exact expectation."""
        return tuple(shots for shots in self.evaluation.shots if shots is not None)

    @property
    def trained_on_backend(self) -> tuple[str, ...]:
        """The models whose circuits are trained with the shots of a backend; none where training is exact."""
        return self.measured_models if self.training.backend is not None else ()

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that circuits are measured on; none where all is exact."""
        return self.evaluation.backends if self.measured_models or self.measured_kernels else ()
