"""A tiny lake by hand: every table, three experiments, rows that agree with each other.

The instance is a square: four variables, maximum cut 4, found by the outcomes 0101 and 1010. `maxcut-square` has two
rounds on the local simulator; `noisy-square` ran on two backends, one of which gives little better than noise.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.experiment_key import CANARY_EXPERIMENT, experiment_key
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import sample_learning_tables, sample_sampling_tables

Row = dict[str, Any]
Rows = dict[str, list[Row]]

EDGES = ((0, 1), (1, 2), (2, 3), (0, 3))
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
POINTS, REPETITIONS, SHOTS = 2, 2, 100

#: Outcomes of 100 shots: good angles, and nearly noise.
GOOD = {0b0101: 45, 0b1010: 35, 0b0011: 20}
POOR = {0b0000: 20, 0b0011: 35, 0b0111: 15, 0b0110: 30}


@dataclass(frozen=True)
class Sample:
    """One experiment and what came of it; ``poor`` backends give bad outcomes."""

    spec: ExperimentSpec
    poor: tuple[str, ...] = ()
    verdict: str = "tie"

    @property
    def key(self) -> str:
        return experiment_key(self.spec)


def specification(name: str, backends: tuple[str, ...] = ("local:auto",), **fields: Any) -> ExperimentSpec:
    return ExperimentSpec.model_validate(
        {
            "name": name,
            "problem": {"family": "maxcut", "source": "networkx:square"},
            "sweep": {"strategy": "fixed_angles", "points": POINTS},
            "shots": SHOTS,
            "repetitions": REPETITIONS,
            "ansatz": {"layers": 1},
            "backends": list(backends),
            "budget": {"usd": 1.0},
            **fields,
        }
    )


FIRST = Sample(specification("maxcut square"), poor=("local:auto",), verdict="classical_better")
SECOND = Sample(specification("maxcut square", lineage={"round": 2, "parent": FIRST.key, "root": FIRST.key}))
NOISY = Sample(specification("noisy square", ("ibm:fake_sherbrooke", "local:auto")), poor=("ibm:fake_sherbrooke",))
SAMPLES = (FIRST, SECOND, NOISY)


def cut(bits: int) -> float:
    return float(sum((bits >> i ^ bits >> j) & 1 for i, j in EDGES))


def assignment(bits: int) -> str:
    return "".join(str(bits >> i & 1) for i in range(4))


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


def outcomes(sample: Sample, backend: str) -> dict[int, int]:
    return POOR if backend in sample.poor else GOOD


def job_of(sample: Sample, backend: str) -> str:
    return sha256_hex(f"{sample.key}|{backend}")[:16]


def execution_tables(sample: Sample, backend: str) -> Iterator[tuple[Table, list[Row]]]:
    head = {"experiment": sample.key, "backend": backend}
    square, job_id = {**head, "instance": "square"}, job_of(sample, backend)
    seen, poor = outcomes(sample, backend), backend in sample.poor
    best = max(map(cut, seen))
    runs = [(point, repetition) for point in range(POINTS) for repetition in range(REPETITIONS)]
    payload, template = sha256_hex(job_id), "OPENQASM 3.0;\ninput float[64] g0;\nqubit[4] q;\nbit[4] c;\n"
    yield (
        schemas.CIRCUIT_BATCHES,
        [
            {
                **head,
                "first_point": None,
                "template_id": sha256_hex(template),
                "template": template,
                "parameters": ["g0", "b0"],
                "ansatz": "qaoa",
                "mixer": "x",
                "n_qubits": 4,
                "depth": 9,
                "two_qubit_gates": 4,
                "points": POINTS,
                "repetitions": REPETITIONS,
                "shots": SHOTS,
                "bindings": [[0.3 + point, 0.2] for point in range(POINTS)],
                "seeds": [[10 * point + repetition for repetition in range(REPETITIONS)] for point in range(POINTS)],
                "structure": None,
                "compile_points": False,
                "payload_sha256": payload,
            }
        ],
    )
    yield (
        schemas.OPTIMISER_STEPS,
        [
            {
                **head,
                "step": point,
                "point": point,
                "optimiser": "cobyla",
                "angles": [0.3 + 0.1 * point, 0.2],
                "value": -3.0 - point,
                "standard_error": 0.05,
                "best_value": -3.0 - point,
                "shots": SHOTS * REPETITIONS,
                "stop_reason": "all steps are done",
            }
            for point in range(POINTS)
        ],
    )
    yield (
        schemas.PARAMETER_SENSITIVITY,
        [
            {
                **head,
                "number": number,
                "angle": angle,
                "value": value,
                "gradient": 0.25,
                "curvature": 1.5,
                "step": 0.1,
                "difference": 0.0325,
                "shots_to_tell": None if angle == "beta 1" else 12_400,
                "shots": SHOTS * REPETITIONS,
                "expectation": -3.5,
                "deviation": 1.25,
                "random_expectation": -2.0,
                "two_qubit_gates": 4,
                "two_qubit_error": 0.01 if poor else None,
                "survival": 0.96 if poor else None,
                "expectation_with_errors": -3.44 if poor else None,
            }
            for number, (angle, value) in enumerate((("gamma 1", 0.3), ("beta 1", 0.2)))
        ],
    )
    yield (
        schemas.QPU_SUBMISSIONS,
        [
            {
                **head,
                "sub_batch": 0,
                "first_point": 0,
                "first_repetition": 0,
                "points": POINTS,
                "repetitions": REPETITIONS,
                "job_id": job_id,
                "token": f"token-{job_id}",
                "provider_job_id": f"vendor-{job_id}",
                "payload_sha256": payload,
                "shots_total": POINTS * REPETITIONS * SHOTS,
                "cost_quoted_usd": 0.5,
            }
        ],
    )
    yield (
        schemas.QPU_RESULT_SETS,
        [
            {**head, "job_id": job_id, "point": p, "repetition": r, "bits": bits, "high_bits": None, "count": count}
            for p, r in runs
            for bits, count in seen.items()
        ],
    )
    mean = sum(cut(bits) * count for bits, count in seen.items()) / SHOTS
    yield (
        schemas.POINT_SCORES,
        [
            {
                **square,
                "point": point,
                "repetition": repetition,
                "shots": SHOTS,
                "distinct_outcomes": len(seen),
                "mean_energy": point / 10 - mean,
                "min_energy": -best,
                "argmin_bits": min(bits for bits in seen if cut(bits) == best),
                "p_feasible": 1.0,
                "mean_objective": mean,
                "best_objective": best,
                "p_reduced_model_optimum": sum(count for bits, count in seen.items() if cut(bits) == 4) / SHOTS,
                "noise_like": poor,
            }
            for point, repetition in runs
        ],
    )
    ranked = sorted(seen, key=lambda bits: (-cut(bits), bits))
    yield (
        schemas.SCORED_SOLUTIONS,
        [
            {
                **square,
                "source": "quantum",
                "repetition": repetition,
                "rank": rank,
                "point": 0,
                "bits": bits,
                "count": seen[bits],
                "objective": cut(bits),
                "feasible": True,
                "violation": "",
                "assignment": assignment(bits),
                "improves_incumbent": cut(bits) > 2,
            }
            for repetition in range(REPETITIONS)
            for rank, bits in enumerate(ranked, start=1)
        ],
    )
    yield schemas.BASELINE_COMPARISONS, [comparison(sample, square, best=best, mean=mean, poor=poor)]
    has_next_round = sample is FIRST
    yield (
        schemas.DECISIONS,
        [
            {
                **square,
                "decision": "continue" if has_next_round else ("fall_back" if poor else "accept"),
                "reason": "the sample of decisions",
                "round": sample.spec.lineage.round,
                "next_experiment": SECOND.key if has_next_round else None,
                "next_specification": canonical_json(SECOND.spec.model_dump(mode="json")) if has_next_round else None,
                "adjusted": "refined around the best point" if has_next_round else None,
                "final_source": "quantum" if best == 4 else "exact",
                "final_objective": 4.0,
                "final_feasible": True,
                "final_assignment": "0101",
            }
        ],
    )
    yield (
        schemas.TRACKING_RUNS,
        [
            {
                **head,
                "tracking_key": f"{sample.key}|{backend}",
                "mlflow_experiment": "qhybrid/maxcut",
                "mlflow_run_id": None,
                "spooled": True,
                "dagster_run_id": "run-1",
            }
        ],
    )
    yield (
        schemas.PROVENANCE,
        [provenance(sample, head, job_id=job_id, payload=payload, template_id=sha256_hex(template))],
    )


def comparison(sample: Sample, head: Row, *, best: float, mean: float, poor: bool) -> Row:
    return {
        **head,
        "family": "maxcut",
        "sense": "max",
        "n_variables": 4,
        "n_qubits": 4,
        "verdict": sample.verdict,
        "reason": "the sample of verdicts",
        "best_quantum": best,
        "best_quantum_raw": best,
        "best_classical": 4.0,
        "best_solver": "tabu",
        "optimum": 4.0,
        "best_known": 4.0,
        "reference": 4.0,
        "ratio": best / 4,
        "mean_ratio": best / 4,
        "random_corrected_ratio": (best - 2) / 2,
        "sample_ratio": mean / 4,
        "random_sample_ratio": 0.5,
        "gain": best - 4,
        "gain_low": best - 4,
        "gain_high": best - 4,
        "margin": 0.04,
        "runs": REPETITIONS,
        "success_runs": REPETITIONS if best == 4 else 0,
        "success_low": 0.3,
        "success_high": 1.0,
        "shots_to_target_99": 4.0,
        "target_reached": best == 4,
        "p_feasible": 1.0,
        "p_optimum": 0.25,
        "random_p_optimum": 0.125,
        "optimised_expectation": -3.5,
        "reached_expectation": -3.25,
        "depth_reason": "1 layer: the backend carries no more",
        "random_shots_to_target_99": 34.5,
        "noise_like": poor,
        "reduced_model_optimum_reached": best == 4,
        "incumbent_objective": 2.0,
        "reduced_model_optimum": 4.0,
        "quantum_seconds": 5.0,
        "seconds_to_target_99": 0.5,
        "classical_seconds": 0.01,
    }


def provenance(sample: Sample, head: Row, *, job_id: str, payload: str, template_id: str) -> Row:
    device = not head["backend"].startswith("local:")
    engine_version = "0.17.2" if sample is FIRST else "0.17.3"
    return {
        **head,
        "job_id": job_id,
        "jobs": 1,
        "provider": head["backend"].split(":")[0],
        "ran_on": head["backend"],
        "engine": "fake_sherbrooke" if device else "aer-exact",
        "engine_version": engine_version,
        "template_id": template_id,
        "payload_sha256": payload,
        "compiled_sha256": sha256_hex("compiled") if device else None,
        "compiled_depth": 21 if device else None,
        "compiled_two_qubit_gates": 12 if device else None,
        "result_sha256": sha256_hex(f"result of {job_id}"),
        "instance_sha256": sha256_hex("square"),
        "calibration_id": "calibration-1" if device else None,
        "calibrated_at": NOON if device else None,
        "shots": SHOTS,
        "seed": sample.spec.seed,
        "git_revision": "0" * 40,
        "git_dirty": False,
        "packages": json.dumps({"qiskit": "2.3.0", "qiskit-aer": engine_version}),
        "packages_sha256": sha256_hex(engine_version),
        "python": "3.11.7",
        "platform": "Linux",
        "queue_seconds": 2.0,
        "execute_seconds": 1.0,
        "recorded_at": NOON + timedelta(hours=SAMPLES.index(sample) if sample in SAMPLES else 0),
    }


def ledger_rows(sample: Sample, backend: str) -> Iterator[tuple[str, Row]]:
    job_id = job_of(sample, backend)
    head = {"job_id": job_id, "experiment": sample.key, "backend": backend}
    yield (
        "jobs",
        {
            **head,
            "requested_backend": backend,
            "provider": backend.split(":", maxsplit=1)[0],
            "provider_job_id": f"vendor-{job_id}",
            "token": f"token-{job_id}",
            "state": "VERIFIED",
            "attempt": 1,
            "tier": sample.spec.tier,
            "priority": 0,
            "principal": "ada",
            "approved_by": None,
            "environment": "dev",
            "data_class": "internal",
            "correlation_id": f"c{job_id}",
            "engine": "aer-exact",
            "payload_sha256": sha256_hex(job_id),
            "circuits": POINTS * REPETITIONS,
            "shots": POINTS * REPETITIONS * SHOTS,
            "result_sha256": sha256_hex(f"result of {job_id}"),
            "created_at": NOON,
            "updated_at": NOON + timedelta(seconds=5),
            "deadline_at": NOON + timedelta(days=1),
            "rerouted_to": None,
            "error": None,
        },
    )
    for sequence, (event, before, after) in enumerate(
        (
            ("JobPlanned", None, "PLANNED"),
            ("JobSubmitted", "SUBMITTING", "SUBMITTED"),
            ("JobCompleted", "RUNNING", "COMPLETED"),
            ("JobFetched", "COMPLETED", "FETCHED"),
        ),
        start=1,
    ):
        at = NOON + timedelta(seconds=sequence)
        yield (
            "job_events",
            {
                "job_id": job_id,
                "sequence": sequence,
                "event": event,
                "from_state": before,
                "to_state": after,
                "occurred_at": at,
                "observed_at": at,
                "clock": "observed",
                "raw_status": None,
                "detail": None,
            },
        )
    yield (
        "latency",
        {
            "job_id": job_id,
            "network_seconds": 0.5,
            "orchestration_seconds": 0.25,
            "compile_seconds": 0.75,
            "queue_seconds": 2.0,
            "execute_seconds": 1.0,
            "fetch_seconds": 0.5,
            "application_seconds": 2.0,
            "provider_seconds": 3.0,
        },
    )
    yield (
        "costs",
        {
            **head,
            "quoted_usd": 0.5,
            "reported_usd": 0.4,
            "reconciled_usd": None,
            "budget_usd": 1.0,
            "price_source": "the sample's price list",
        },
    )


def canary_rows(ledger: Rows) -> Iterator[tuple[str, Row]]:
    """A canary that waited and cost more than any job of an experiment."""
    job, latency = {**ledger["jobs"][0]}, {**ledger["latency"][0]}
    costs = {"quoted_usd": 0.5, "reconciled_usd": None, "price_source": "the sample's price list"}
    own = {"job_id": "jcanary", "experiment": CANARY_EXPERIMENT, "reported_usd": 7.0, "queue_seconds": 900.0}
    own |= {"provider_job_id": "vendor-jcanary", "payload_sha256": sha256_hex("jcanary")}
    yield "canary_jobs", {**job, **latency, **costs, **own}
    yield "job_events", {**ledger["job_events"][0], "job_id": "jcanary"}


def capabilities() -> Iterator[Row]:
    for backend in ("ibm:fake_sherbrooke", "local:auto"):
        device = not backend.startswith("local:")
        yield {
            "backend": backend,
            "provider": backend.split(":")[0],
            "reachable": True,
            "problem": None,
            "mode": "local-testing" if device else "simulator",
            "simulator": True,
            "noisy": device,
            "immediate": True,
            "max_qubits": 20,
            "min_shots": 1,
            "max_shots": 1_000_000,
            "max_circuits_per_job": 10_000,
            "max_gates_per_job": 150_000,
            "max_executions_per_job": None,
            "native_gates": ["rx", "rzz"],
            "parametric": True,
            "dedupe": "token",
            "listing_lag_seconds": 0.0,
            "states": ["COMPLETED", "SUBMITTED"],
            "engines": ["aer-exact"],
            "sdks": "NumPy",
            "queue": "none",
            "observability": "timestamps",
            "security": "none",
            "integration": "none",
            "vendor": "IBM" if device else "this package",
            "plane": "gate",
            "price_model": "free",
            "price_source": "nothing is billed",
            "times": ["submitted", "completed"],
            "queue_figures": [],
            "limits": "memory",
            "calibration": "a snapshot" if device else "none: it is ideal",
            "calibrated_at": NOON - timedelta(hours=2) if device else None,
            "credential": "none",
            "transport": "none",
            "region": "this-machine",
            "region_source": "this machine",
            "data_classes": ["public", "internal", "confidential"],
            "evidence": "conformance suite",
            "evidence_on": "2026-11-29",
            "online": True,
            "queued_jobs": 0,
            "queue_seconds": 0.0,
        }


def calibrations() -> Iterator[Row]:
    """Two of one device; the newer one, in force at noon, is a quarter worse at reading."""
    for number, (hours, readout) in enumerate(((26, 0.02), (2, 0.025))):
        yield {
            "backend": "ibm:fake_sherbrooke",
            "calibration_id": f"calibration-{number}",
            "measured_at": NOON - timedelta(hours=hours),
            "fetched_at": NOON,
            "qubits": 127,
            "t1_us": 250.0,
            "t2_us": 180.0,
            "one_qubit_error": 0.0002,
            "two_qubit_error": 0.008,
            "readout_error": readout,
            "payload": "{}",
        }
