"""The experiments of the tiny lake by hand, and what came out of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec

Row = dict[str, Any]
Rows = dict[str, list[Row]]

POINTS, REPETITIONS, SHOTS = 2, 2, 100
EDGES = ((0, 1), (1, 2), (2, 3), (0, 3))


NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


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


def outcomes(sample: Sample, backend: str) -> dict[int, int]:
    return POOR if backend in sample.poor else GOOD


def job_of(sample: Sample, backend: str) -> str:
    return sha256_hex(f"{sample.key}|{backend}")[:16]
