"""The tables of one execution of the tiny lake by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines_tests.support.sample_experiments import (
    FIRST,
    NOON,
    POINTS,
    REPETITIONS,
    SAMPLES,
    SECOND,
    SHOTS,
    Row,
    Sample,
    assignment,
    cut,
    job_of,
    outcomes,
)


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
                "annealing": None,
                "suppression": None,
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
    yield (
        schemas.CHAINS,
        [
            {
                **head,
                "job_id": job_id,
                "point": p,
                "repetition": r,
                "annealing_time_us": 20.0,
                "chain_strength": 0.5 + p,
                "chain_strength_units": 1.2 + p,
                "gauge": 0,
                "reads": SHOTS,
                "broken_fraction": 0.02,
                "most_broken": 0.25,
                "method": "majority_vote",
                "qubits": 6,
                "longest_chain": 2,
                "graph_id": "0123abcd",
                "embedding_sha256": "e" * 64,
            }
            for p, r in runs
        ],
    )
    yield (
        schemas.ESTIMATES,
        [
            {
                **head,
                "point": p,
                "observable": "energy",
                "method": method,
                "expectation": -3.5 - shift,
                "standard_error": 0.1 + shift / 10,
                "low": -3.7 - shift,
                "high": -3.3 - shift,
                "shots": SHOTS,
                "effective_shots": float(SHOTS),
                "calibration_id": "cal-1" if shift else None,
                "calibration_measured_at": None,
                "counts_point": p,
                "exact": None,
                "parameters": None,
                "overhead_shots": 0,
                "quoted_usd": 0.0,
            }
            for p in sorted({p for p, _ in runs})
            for method, shift in (("none", 0.0), ("two_body", 0.25))
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
                "argmin_high_bits": None,
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
                "high_bits": None,
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
        "source_sense": "max",
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
        "random_corrected_low": (best - 2.5) / 2,
        "random_corrected_high": (best - 1.5) / 2,
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
        "p_optimum_low": 0.2,
        "p_optimum_high": 0.31,
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
