"""A sampling experiment of two circuits in a lake, scored by the package's own mathematics; nothing ran."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import bitstring
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.sampling.baselines import baselines
from qhybrid_pipelines.sampling.counts import align_counts
from qhybrid_pipelines.sampling.reference import Reference, reference_from_pairs
from qhybrid_pipelines.sampling.scores import measured_scores, uniform_scores
from qhybrid_pipelines.sampling.verdict import judge
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows

KEY, BACKEND, SHOTS = "tiny-series-89abcdef", "local:auto", 100
SPECIFICATION = '{"kind":"sampling","seed":7}'
#: Name, reference and measured counts of each circuit.
CIRCUITS: tuple[tuple[str, Reference, dict[int, int]], ...] = (
    ("ghz-2", reference_from_pairs({0: 0.5, 3: 0.5}, 2), {0: 48, 1: 2, 3: 50}),
    ("coin", reference_from_pairs({1: 1.0}, 1), {0: 52, 1: 48}),
)


def write_sampling_tables(home: Home) -> None:
    """Write what a sampling experiment has of its own."""
    lake, whole = Lake(home), PartitionKey(experiment=KEY)
    execution = PartitionKey(experiment=KEY, backend=BACKEND)
    lake.write(schemas.EXPERIMENTS, whole, from_rows(schemas.EXPERIMENTS, [_experiment_row()]))
    rows: dict[schemas.Table, list[dict[str, Any]]] = {table: [] for table in schemas.SAMPLING_TABLES}
    for point, (name, reference, counts) in enumerate(CIRCUITS):
        head = {"experiment": KEY, "point": point, "circuit": name}
        rows[schemas.SAMPLING_CIRCUITS].append(head | _circuit_columns(reference))
        rows[schemas.SAMPLING_REFERENCES] += [
            {"experiment": KEY, "point": point, "bits": int(bits), "high_bits": None, "probability": float(p)}
            for bits, p in zip(reference.outcomes, reference.probabilities, strict=True)
        ]
        found = baselines(reference, shots=SHOTS, repetitions=1, seed=7, point=point, seconds=0.5)
        rows[schemas.SAMPLING_BASELINES] += [
            head | _score_columns(score) | {"baseline": baseline.name, "seconds": baseline.seconds and 0.5}
            for baseline in found
            for score in baseline.scores
        ]
        outcomes = np.array(list(counts), dtype=np.uint64)
        aligned = align_counts(reference, outcomes, np.zeros(len(counts)), np.array(list(counts.values())))
        measured = {score.name: score for score in measured_scores(aligned)}
        place = head | {"backend": BACKEND, "n_qubits": reference.width}
        beside = {"uniform": uniform_scores(reference), "product_of_marginals": uniform_scores(reference)}
        rows[schemas.SAMPLING_SCORES] += [
            place
            | _score_columns(score)
            | {name: values[score.name] for name, values in beside.items()}
            | {"shots": SHOTS, "effective_shots": float(SHOTS)}
            for score in measured.values()
        ]
        said = judge(measured, margin=0.01)
        rows[schemas.SAMPLING_VERDICTS].append(
            place
            | {"depth": 2, "verdict": said.verdict.value, "reason": said.reason, "margin": 0.01, "shots": SHOTS}
            | {
                f"{short}{end}": getattr(measured[name], of)
                for short, name in (("fidelity", "hellinger_fidelity"), ("polarisation", "polarisation"))
                for end, of in (("", "value"), ("_low", "low"), ("_high", "high"))
            }
            | {"sampler_seconds": 0.5}
        )
    for table, content in rows.items():
        key = execution if "backend" in table.key else whole
        lake.write(table, key, from_rows(table, content))


def _score_columns(score: Any) -> dict[str, object]:
    return {"score": score.name, "value": score.value, "low": score.low, "high": score.high}


def _circuit_columns(reference: Reference) -> dict[str, object]:
    return {
        "family": "file",
        "n_qubits": reference.width,
        "measured": reference.width,
        "layers": None,
        "depth": 2,
        "two_qubit_gates": reference.width - 1,
        "template_id": sha256_hex("circuit"),
        "template": "OPENQASM 3.0;\n",
        "parameters": [],
        "binding": [],
        "reference": "exact",
        "reference_outcomes": len(reference.outcomes),
        "expected": bitstring(int(reference.outcomes[0]), reference.width) if reference.is_certain else None,
        "reference_seconds": 0.5,
    }


def _experiment_row() -> dict[str, object]:
    return {
        "experiment": KEY,
        "name": "tiny series",
        "tier": "batch",
        "family": "sampling",
        "source": "file:bell.qasm, file:coin.qasm",
        "ansatz": "file",
        "layers": 0,
        "sweep": "series",
        "points": len(CIRCUITS),
        "shots": SHOTS,
        "repetitions": 1,
        "seed": 7,
        "backends": [BACKEND],
        "budget_usd": 0.0,
        "round": 1,
        "rounds_max": 1,
        "parent": None,
        "root": KEY,
        "created_at": datetime(2026, 11, 2, tzinfo=UTC),
        "specification": SPECIFICATION,
    }
