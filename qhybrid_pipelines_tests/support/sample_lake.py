"""A tiny lake by hand: every table, three experiments, rows that agree with each other.

The instance is a square: four variables, maximum cut 4, found by the outcomes 0101 and 1010. `maxcut-square` has two
rounds on the local simulator; `noisy-square` ran on two backends, one of which gives little better than noise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import sample_learning_tables, sample_sampling_tables
from qhybrid_pipelines_tests.support.sample_execution_tables import execution_tables
from qhybrid_pipelines_tests.support.sample_experiments import (
    EDGES,
    NOON,
    POINTS,
    REPETITIONS,
    SAMPLES,
    SHOTS,
    Row,
    Rows,
    Sample,
)
from qhybrid_pipelines_tests.support.sample_ledger_tables import calibrations, canary_rows, capabilities, ledger_rows


def write(home: Home, samples: tuple[Sample, ...] = SAMPLES) -> Rows:
    """Write the samples into the lake of ``home`` and return the ledger's rows."""
    lake, ledger = Lake(home), defaultdict(list)
    for sample in samples:
        for table, rows in experiment_tables(sample):
            lake.write(table, PartitionKey(experiment=sample.key), from_rows(table, rows))
        for backend in sample.spec.backends:
            for table, rows in execution_tables(sample, backend):
                key = PartitionKey(experiment=sample.key, backend=backend)
                lake.write(table, key, from_rows(table, rows))
            for name, row in ledger_rows(sample, backend):
                ledger[name].append(row)
    lake.write(schemas.BACKEND_CAPABILITIES, PartitionKey(), from_rows(schemas.BACKEND_CAPABILITIES, [*capabilities()]))
    lake.write(schemas.BACKEND_CALIBRATIONS, PartitionKey(), from_rows(schemas.BACKEND_CALIBRATIONS, [*calibrations()]))
    sample_learning_tables.write_learning_tables(home)
    sample_sampling_tables.write_sampling_tables(home)
    for name, row in canary_rows(ledger):
        ledger[name].append(row)
    return dict(ledger)


def experiment_tables(sample: Sample) -> Iterator[tuple[Table, list[Row]]]:
    spec, head = sample.spec, {"experiment": sample.key}
    square = {**head, "instance": "square"}
    yield (
        schemas.EXPERIMENTS,
        [
            {
                **head,
                "name": spec.name,
                "tier": spec.tier,
                "family": "maxcut",
                "source": "networkx:square",
                "ansatz": spec.ansatz.kind,
                "layers": spec.ansatz.layers,
                "sweep": spec.sweep.strategy,
                "points": POINTS,
                "shots": SHOTS,
                "repetitions": REPETITIONS,
                "seed": spec.seed,
                "backends": list(spec.backends),
                "budget_usd": spec.budget.usd,
                "round": spec.lineage.round,
                "rounds_max": spec.rounds.max,
                "parent": spec.lineage.parent,
                "root": spec.lineage.root or sample.key,
                "created_at": NOON + timedelta(minutes=SAMPLES.index(sample)) if sample in SAMPLES else NOON,
                "specification": canonical_json(spec.model_dump(mode="json")),
            }
        ],
    )
    yield (
        schemas.PROBLEM_INSTANCES,
        [
            {
                **square,
                "family": "maxcut",
                "n_variables": 4,
                "n_terms": 4,
                "sense": "max",
                "unit": "cut weight",
                "best_known": 4.0,
                "source": "networkx:square",
                "content_sha256": sha256_hex("square"),
                "variables": list("0123"),
                "payload": canonical_json({"edges": [list(edge) for edge in EDGES]}),
            }
        ],
    )
    yield (
        schemas.FEATURES,
        [{**square, "feature": "n", "value": 4.0}, {**square, "feature": "degree_mean", "value": 2.0}],
    )
    yield (
        schemas.REDUCED_MODELS,
        [
            {
                **square,
                "n_qubits": 4,
                "exact": True,
                "solved_by_reduction": False,
                "cardinality": None,
                "incumbent": "0011",
                "incumbent_source": "greedy",
                "incumbent_objective": 2.0,
                "reduced_model_optimum": 4.0,
                "reduced_model_optimum_assignment": "0101",
                "reduced_model_minimum_energy": -4.0,
                "reduced_model_optimum_proved": True,
                "penalty_weight": 0.0,
                "windows_tried": 40,
                "windows_without_headroom": 17,
                "model": canonical_json({"linear": [0.0] * 4, "pairs": [], "couplings": [], "offset": 0.0}),
                "root": [0, 1, 2, 3],
                "value": [0, 0, 0, 0],
                "reduction_steps": [reduction_step(0, "components"), reduction_step(1, "roof duality")],
                "step_seconds": [0.25, 0.5],
                "reduction_seconds": 0.75,
            }
        ],
    )
    yield (
        schemas.PARAMETER_SWEEPS,
        [
            {
                **head,
                "point": point,
                "strategy": spec.sweep.strategy,
                "angle_source": "table",
                "gammas": [0.3 + point],
                "betas": [0.2],
                "angles": [0.3 + point, 0.2],
                "optimised_expectation": -3.5,
                "depth_reason": "1 layer: the backend carries no more",
            }
            for point in range(POINTS)
        ],
    )
    yield (
        schemas.BASELINES,
        [
            {
                **square,
                "solver": solver,
                "repetition": repetition,
                "seed": repetition,
                "objective": objective,
                "feasible": True,
                "assignment": "0101" if objective == 4 else "0011",
                "optimal": solver == "exact",
                "bound": 4.0 if solver == "exact" else None,
                "evaluations": 100,
                "mean_objective": None,
                "seconds": 0.01,
            }
            for solver, objective in (("exact", 4.0), ("random", 2.0), ("tabu", 4.0))
            for repetition in range(REPETITIONS)
        ],
    )


def reduction_step(step: int, name: str) -> Row:
    return {
        "step": step,
        "step_name": name,
        "exact": True,
        "variables_fixed": 0,
        "variables_left": 4,
        "note": "nothing to fix",
    }
