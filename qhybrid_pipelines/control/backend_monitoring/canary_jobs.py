"""Proving the bit order of every backend with circuits whose outcome is certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import QHybridError, Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.execution.canary_circuits import Shape, canary_batch

CANARY_QUBITS = 9
FLIPPED_QUBIT = 2

_NOT_ALLOWED = "kept back"


@dataclass(frozen=True, slots=True, kw_only=True)
class BitOrderCheck:
    """What a check of the bit order of an installation found.

    Attributes:
        checked: backends whose canaries came back.
        wrong: one sentence for each canary that came back with other bits, or backend that runs none.
        unanswered: one sentence for each canary without a result: the backend rests or failed, its bits may be right.
        not_checked: the other backends, with the reason.
    """

    checked: tuple[str, ...]
    wrong: tuple[str, ...]
    unanswered: tuple[str, ...]
    not_checked: dict[str, str]


def check_bit_orders(control_plane: ControlPlane) -> BitOrderCheck:
    """Run the canaries and say on which backends.

    Checked are the backends that answer at once, and of the simulated devices those that were ever used: this check
    neither waits in a queue nor spends money. Canaries go through the ledger like all other jobs, under an experiment of
    their own (`core.specifications.experiment_key.CANARY_EXPERIMENT`), and one that was run before is not run again. Where the policy
    says no, or wants a person to agree, none is run.
    """
    checked, wrong, unanswered, not_checked = [], [], [], {}
    used = control_plane.ledger.backends_used()
    for backend in control_plane.backends:
        if not control_plane.is_immediate(backend):
            not_checked[backend] = "it has a queue or a price; `qhybrid backends verify` looks at it"
            continue
        if control_plane.dispatcher.capabilities(backend).noisy and backend not in used:
            not_checked[backend] = "it was never used"
            continue
        shapes: tuple[Shape, ...] = ("single", "batch", "qaoa")
        results = [_run_canary(control_plane, backend, shape) for shape in shapes]
        missing = [result for result in results if isinstance(result, _NoResult)]
        if _NOT_ALLOWED in results:
            not_checked[backend] = "the policy lets no canary run just like that"
        elif missing:
            unanswered += [str(result) for result in missing]
        else:
            checked.append(backend)
            if all(finding is None for finding in results):
                wrong.append(f"{backend} runs none of the canaries")
            wrong += [finding for finding in results if finding]
    return BitOrderCheck(
        checked=tuple(checked), wrong=tuple(wrong), unanswered=tuple(unanswered), not_checked=not_checked
    )


class _NoResult(str):
    """Why a canary has no result."""

    __slots__ = ()


def _run_canary(control_plane: ControlPlane, backend: str, shape: Shape) -> str | None:
    """Return what is wrong, an empty text when nothing is, None where the backend does not run this shape.

    `_NOT_ALLOWED` where the policy does not let it run just like that, a `_NoResult` where it was asked for in vain.
    """
    dispatcher = control_plane.dispatcher
    capabilities = dispatcher.capabilities(backend)
    width = min(CANARY_QUBITS, capabilities.max_qubits)
    batch, expected = canary_batch(shape, width=width, qubit=FLIPPED_QUBIT, backend=backend)
    request = SubmitRequest(tier="interactive", budget_usd=0.0, data_class="public")
    try:
        [preview] = dispatcher.preview([SubBatch(batch=batch, first_point=0, first_repetition=0)], request)
    except Refused:
        return _NOT_ALLOWED
    if preview.admission is not None and preview.admission.decision.verdict != "allow":
        return _NOT_ALLOWED
    try:
        job = dispatcher.submit(batch, request)
        if job.state in (JobState.AWAITING_APPROVAL, JobState.EXPIRED):
            return _NOT_ALLOWED
        if job.state is JobState.REJECTED:
            return None
        counts = dispatcher.collect(job.job_id, batch).counts
    except (
        QHybridError
    ) as error:  # a finding about one backend; the others, and the snapshot, have nothing to do with it
        return _NoResult(f"{backend}: the {shape} canary has no result: {error}")
    if capabilities.noisy:
        counts = _most_frequent(counts)
    measured = counts.column("bits").to_numpy()
    wanted = np.asarray(expected, dtype=np.uint64)[counts.column("point").to_numpy()]
    return "" if np.array_equal(measured, wanted) else f"{backend}: the {shape} canary came back with other bits set"


def _most_frequent(counts: pa.Table) -> pa.Table:
    """Return the most frequent outcome of every run: what noise leaves of a certain one."""
    order = [("point", "ascending"), ("repetition", "ascending"), ("count", "descending")]
    return (
        counts.sort_by(order)
        .group_by(["point", "repetition"], use_threads=False)
        .aggregate([("bits", "first")])
        .rename_columns(["point", "repetition", "bits"])
    )
