"""Hybrid solvers: what they say about themselves, which models they take, and what answers in their place.

Names, limits and the form of answers follow D-Wave's published descriptions. What answers is simulated annealing of the whole model,
classical throughout: nothing in it is quantum, and every answer says so with a QPU access time of 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import SEEK_CUR, BytesIO
from typing import Any

import numpy as np

from qhybrid_pipelines.emulator.sapi.problems import LARGEST_NUMBER, SapiError, read_label, read_params, within

HYBRID_SECOND_USD = 0.03
"""What a second of a hybrid solver is charged in the book."""

HYBRIDS = ("hybrid_binary_quadratic_model_version2",)

MINIMUM_TIMES = ((1, 3.0), (1024, 3.0), (4096, 10.0), (10_000, 40.0), (1_000_000, 800.0))
"""Variables, and the seconds that such a model takes at least; in between by the line."""
LONGEST_HOURS = 24
MOST_VARIABLES, MOST_BIASES = 1_000_000, 200_000_000

_CHECKS = {"time_limit": within((0.0, LONGEST_HOURS * 3600.0))}

SWEEPS_PER_SECOND, MOST_SWEEPS, READS = 100, 2000, 20
AVERAGE_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class HybridProblem:
    """A problem as it was asked for.

    Attributes:
        solver: name of it.
        label: free text or None.
        upload_id: names the model.
        time_limit: seconds; None is the least that the model takes.
    """

    solver: str
    label: str | None
    upload_id: str
    time_limit: float | None


def is_for_a_hybrid_solver(given: Any) -> bool:
    """Tell whether a problem names a hybrid solver."""
    identity = given.get("solver") if isinstance(given, dict) else None
    name = identity.get("name") if isinstance(identity, dict) else identity
    return isinstance(name, str) and name in HYBRIDS


def read_hybrid_problem(given: Mapping[str, Any]) -> HybridProblem:
    """Read a problem for a hybrid solver. Raises `SapiError` naming the field."""
    identity = given["solver"]
    name = str(identity.get("name") if isinstance(identity, dict) else identity)
    if given.get("type") != "bqm":
        raise SapiError(400, f"type {str(given.get('type'))[:40]!r} is not supported by {name}; it takes bqm.")
    label, data = read_label(given), given.get("data")
    if not isinstance(data, dict) or data.get("format") != "ref" or not isinstance(data.get("data"), str):
        raise SapiError(400, "data is not a reference to an uploaded model.")
    limit = read_params(given, _CHECKS).get("time_limit")
    return HybridProblem(
        solver=name, label=label, upload_id=data["data"], time_limit=None if limit is None else float(limit)
    )


def read_model(content: bytes) -> Any:
    """Return an uploaded model as a `dimod.BinaryQuadraticModel`. Raises `SapiError` for anything else."""
    import dimod

    try:
        _check_file(content)
        model = dimod.BinaryQuadraticModel.from_file(BytesIO(content))
        linear, (_, _, quadratic), offset = model.to_numpy_vectors()
    # dimod unpacks a header in JSON, arrays of any type and labels: among others ValueError, KeyError, TypeError, struct.error, SyntaxError.
    except Exception:  # noqa: BLE001
        raise SapiError(400, "The uploaded data is not a binary quadratic model.") from None
    with np.errstate(over="ignore"):
        total = np.abs(linear).sum() + np.abs(quadratic).sum() + abs(float(offset))
    if not total <= LARGEST_NUMBER or not 1 <= model.num_variables <= MOST_VARIABLES:
        raise SapiError(
            400,
            f"The model has no variable, more than {MOST_VARIABLES}, or numbers that are not finite or too large to add up.",
        )
    return model


def _check_file(content: bytes) -> None:
    """Check what dimod's reader trusts: an index beyond the variables would end this whole process.

    Raises:
        Exception: of many kinds; the file is not one of dimod's.
    """
    from dimod.serialization.fileview import read_header

    file = BytesIO(content)
    header = read_header(file, b"DIMODBQM").data
    variables, interactions = header["shape"]
    bias, index, place = (np.dtype(header[name]) for name in ("dtype", "itype", "ntype"))
    if not 0 <= variables <= MOST_VARIABLES or not 0 <= interactions <= MOST_BIASES:
        raise ValueError("a shape that no model has")
    file.seek(bias.itemsize, SEEK_CUR)
    starts = np.frombuffer(file.read(variables * (place.itemsize + bias.itemsize)), [("start", place), ("bias", bias)])
    rows = np.frombuffer(
        file.read(2 * interactions * (index.itemsize + bias.itemsize)), [("other", index), ("bias", bias)]
    )
    degrees = np.diff(starts["start"].astype(np.int64), append=2 * interactions)
    first, others = starts["start"][:1], rows["other"]
    if first.any() or (degrees < 0).any() or (others < 0).any() or (others >= variables).any():
        raise ValueError("an index beyond the model")


def granted_seconds(problem: HybridProblem, variables: int) -> float:
    """Return how long a solver works on a problem. Raises `SapiError` for a time that is too short or too long."""
    sizes, seconds = zip(*MINIMUM_TIMES, strict=True)
    shortest, longest = float(np.interp(variables, sizes, seconds)), LONGEST_HOURS * 3600.0
    limit = shortest if problem.time_limit is None else problem.time_limit
    if not shortest <= limit <= longest:
        raise SapiError(
            400, f"time_limit {limit:g} is not between {shortest:g} and {longest:g} for {variables} variables."
        )
    return limit


def answer_body(content: bytes, *, seconds: float, seed: int) -> dict[str, Any]:
    """Return the answer of a hybrid solver; a pure function, safe in any thread.

    Args:
        content: the uploaded model.
        seconds: that were granted; sweeps grow with them.
        seed: of the annealing; below ``2**31``.
    """
    import dimod
    from dwave.samplers import SimulatedAnnealingSampler

    model = read_model(content)
    sampler: Any = SimulatedAnnealingSampler
    sample_set: Any = dimod.SampleSet
    sweeps = int(min(MOST_SWEEPS, max(1, round(SWEEPS_PER_SECOND * seconds))))
    found = sampler().sample(model, num_reads=READS, num_sweeps=sweeps, seed=seed)
    best = sample_set.from_samples_bqm(dict(found.first.sample), model)
    micros = round(seconds * 1e6)
    best.info.update(run_time=micros, charge_time=micros, qpu_access_time=0)
    return {"format": "bq", "data": best.to_serializable()}


def hybrid_properties(name: str) -> dict[str, Any]:
    """Return what a hybrid solver says about itself."""
    return {
        "category": "hybrid",
        "version": name.removeprefix("hybrid_binary_quadratic_model_version") + ".2",
        "supported_problem_types": ["bqm"],
        "parameters": {"time_limit": "Seconds that the solver may work."},
        "minimum_time_limit": [list(pair) for pair in MINIMUM_TIMES],
        "maximum_time_limit_hrs": LONGEST_HOURS,
        "maximum_number_of_variables": MOST_VARIABLES,
        "maximum_number_of_biases": MOST_BIASES,
        "quota_conversion_rate": 20,
    }
