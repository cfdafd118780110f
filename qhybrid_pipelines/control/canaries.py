"""Proving the bit order of every backend with circuits whose outcome is certain."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.gateway import Gateway
from qhybrid_pipelines.core.jobs import JobState
from qhybrid_pipelines.execution.canaries import Shape, canary_batch

CANARY_EXPERIMENT = "canary-00000000"
WIDTH = 9
QUBIT = 2


def wrong_bit_orders(gateway: Gateway) -> list[str]:
    """Return one sentence for each backend whose canary came back otherwise than it was set.

    Canaries are jobs like all others: they stand in the ledger, and one that was run before is not paid again.
    """
    findings = []
    for backend in gateway.backends:
        shapes: tuple[Shape, ...] = ("single", "batch", "qaoa")
        ran = [_wrong(gateway.dispatcher, backend, shape) for shape in shapes]
        if all(finding is None for finding in ran):
            findings.append(f"{backend} runs none of the canaries")
        findings += [finding for finding in ran if finding]
    return findings


def _wrong(dispatcher: Dispatcher, backend: str, shape: Shape) -> str | None:
    """Return what is wrong, an empty text when nothing is, None where the backend does not run this shape."""
    batch, expected = canary_batch(shape, width=WIDTH, qubit=QUBIT, backend=backend)
    job = dispatcher.submit(batch, tier="interactive", budget_usd=0.0)
    if job.state is JobState.REJECTED:
        return None
    counts = dispatcher.collect(job.job_id, batch).counts
    measured = counts.column("bits").to_numpy()
    wanted = np.asarray(expected, dtype=np.uint64)[counts.column("point").to_numpy()]
    return "" if np.array_equal(measured, wanted) else f"{backend}: the {shape} canary came back with other bits set"
