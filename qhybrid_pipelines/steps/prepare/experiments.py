"""Step 1: the registered specification of each experiment, as a row."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.specifications.experiment_key import check_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource, GeneratorSource
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, SamplingSpec
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY, SAMPLING_FAMILY
from qhybrid_pipelines.quantum.annealing.anneal_batches import ANNEALING, HYBRID
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def experiments(keys: Iterable[str], specifications: Specifications) -> pa.Table:
    """Return the table `experiments` for some keys.

    Raises:
        InvalidInput: a key has the wrong form, or no experiment is registered under it.
    """
    return from_rows(
        schemas.EXPERIMENTS,
        [
            _row(key, specifications.load_any(check_key(key))) | {"created_at": specifications.registered_at(key)}
            for key in keys
        ],
    )


def _row(key: str, spec: AnySpec) -> Row:
    if isinstance(spec, LearningSpec):
        what = _what_learns(spec)
    elif isinstance(spec, SamplingSpec):
        what = _what_is_sampled(spec)
    else:
        what = _what_runs(spec)
    lineage = spec.lineage if isinstance(spec, ExperimentSpec) else None
    return {
        "experiment": key,
        "name": spec.name,
        "tier": spec.tier,
        **what,
        "seed": spec.seed,
        "backends": list(spec.backends),
        "budget_usd": spec.budget.usd,
        "round": lineage.round if lineage else 1,
        "rounds_max": spec.rounds.max if isinstance(spec, ExperimentSpec) else 1,
        "parent": lineage.parent if lineage else None,
        "root": (lineage.root if lineage else None) or key,
        "specification": canonical_json(spec.model_dump(mode="json")),
    }


def _what_runs(spec: ExperimentSpec) -> Row:
    own_circuit = spec.problem.circuit is not None
    if spec.annealing is not None:
        word = HYBRID if spec.annealing.is_hybrid else ANNEALING
        plan: Row = {"ansatz": word, "layers": 0, "sweep": word}
    else:
        plan = {
            "ansatz": "file" if own_circuit else spec.ansatz.kind,
            "layers": 0 if own_circuit or spec.ansatz.layers == "auto" else spec.ansatz.layers,
            "sweep": spec.sweep.strategy,
        }
    return {
        "family": spec.problem.family,
        "source": describe_source(spec.problem.source),
        **plan,
        "points": spec.sweep.points,
        "shots": spec.shots,
        "repetitions": spec.repetitions,
    }


def _what_learns(spec: LearningSpec) -> Row:
    return {
        "family": LEARNING_FAMILY,
        "source": describe_source(spec.dataset.source),
        "ansatz": ", ".join(spec.model_names),
        "layers": spec.training.layers,
        "sweep": "training",
        "points": spec.tuning.trials,
        "shots": max(spec.measured_shots, default=0),
        "repetitions": spec.folds.k * spec.folds.repeats,
    }


def _what_is_sampled(spec: SamplingSpec) -> Row:
    files = [describe_source(source) for source in spec.circuit.files]
    return {
        "family": SAMPLING_FAMILY,
        "source": ", ".join(files) if files else f"generator:{spec.circuit.family}",
        "ansatz": spec.circuit.family or "file",
        "layers": max(spec.circuit.depths, default=0),
        "sweep": "series",
        "points": len(files) or len(spec.circuit.widths) * max(len(spec.circuit.depths), 1) * spec.circuit.instances,
        "shots": spec.shots,
        "repetitions": spec.repetitions,
    }


def describe_source(source: str | FileSource | GeneratorSource) -> str:
    """Return where an instance comes from in one word: networkx:NAME, file:NAME or generator:NAME."""
    if isinstance(source, FileSource):
        return f"file:{source.file}"
    if isinstance(source, GeneratorSource):
        return f"generator:{source.generator}"
    return source
