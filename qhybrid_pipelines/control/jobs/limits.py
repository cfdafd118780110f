"""Whether a batch fits a backend, and a budget: asked before anything is written down, paid, or taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from qhybrid_pipelines.control.jobs.spending import check_quotes
from qhybrid_pipelines.control.ledger.budget import replace_reservation
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities, CircuitBatch


def check_limits(batch: Batch, capabilities: Capabilities) -> None:
    """Return if the batch fits the limits that the provider states.

    Raises:
        Refused: it does not; names the first limit and the remedy.
    """
    for problem in limit_problems(batch, capabilities):
        raise Refused(problem)


def limit_problems(batch: Batch, capabilities: Capabilities, *, whole: bool = False) -> Iterator[str]:
    """Yield a sentence for each limit of a backend that a batch does not fit, with the remedy.

    Args:
        batch: for whichever backend.
        capabilities: of the backend.
        whole: the batch is not split yet, so that the circuits of one job are not compared.
    """
    if batch.plane != capabilities.plane:
        yield _plane_problem(batch, capabilities)
        return
    if isinstance(batch, AnnealBatch) and batch.embedding.graph_id != capabilities.graph_id:
        yield (
            f"experiment '{batch.experiment}' was embedded in the qubit graph {batch.embedding.graph_id}, and "
            f"'{capabilities.backend}' has {capabilities.graph_id} now. Nothing is sent with it. Run it again: where no job of it was "
            "sent yet, it is embedded anew; otherwise give it another seed."
        )
        return
    yield from switch_problems(batch, capabilities)
    circuits = batch.points * batch.repetitions
    for what, wanted, limit, remedy in (
        ("qubits", batch.qubits, capabilities.max_qubits, "Lower reduce.max_qubits"),
        ("shots per circuit", batch.shots, capabilities.max_shots, "Lower shots and raise repetitions"),
        ("circuits", 0 if whole else circuits, capabilities.max_circuits_per_job, "Lower sweep.points or repetitions"),
    ):
        if wanted > limit:
            yield (
                f"experiment '{batch.experiment}' needs {wanted} {what}, and '{capabilities.backend}' takes at most {limit}. "
                f"{remedy}, or name a larger backend."
            )
    if batch.shots < capabilities.min_shots:
        yield (
            f"experiment '{batch.experiment}' wants {batch.shots} shots per circuit, and '{capabilities.backend}' takes at "
            f"least {capabilities.min_shots}. Raise shots, or name another backend."
        )


def switch_problems(batch: Batch, capabilities: Capabilities) -> Iterator[str]:
    """Yield a sentence for each switch against errors that a batch asks for and a backend does not have: none is left out in silence."""
    for switch in batch.suppression if isinstance(batch, CircuitBatch) else ():
        if switch.partition(":")[0] not in capabilities.suppression:
            yield (
                f"experiment '{batch.experiment}' asks for {switch.replace(':', ' ')}, and the adapter for '{capabilities.backend}' sets no such "
                "switch. Leave mitigation.suppression out, or name another backend."
            )


def _plane_problem(batch: Batch, capabilities: Capabilities) -> str:
    asked = _PLANES[batch.plane][0]
    _, offered, remedy = _PLANES[capabilities.plane]
    return f"experiment '{batch.experiment}' {asked}, and '{capabilities.backend}' {offered}. {remedy}, or name another backend."


#: What an experiment of each plane does, what a backend of it does, and what makes an experiment fit it.
_PLANES = {
    "gate": ("runs circuits", "runs circuits", "Leave `annealing` out"),
    "annealing": ("anneals a model", "anneals models", "Say `annealing` with reads in the specification"),
    "hybrid": ("gives a model to a hybrid solver", "is a hybrid solver", "Say `annealing: {time_limit_seconds: 5}`"),
}


def check_budget(
    ledger: Ledger,
    job: JobRecord,
    quote_usd: float,
    *,
    backend: str,
    limits: Sequence[SpendingLimit],
    now: datetime,
) -> None:
    """Return if the budget holds a quote in place of a job's own; taken from its backend, the work has to go somewhere.

    Args:
        ledger: has the job.
        job: whose work is to go elsewhere.
        quote_usd: of the job there.
        backend: where that would run.
        limits: of the policy, which have to hold the quote as well.
        now: the present.

    Raises:
        Refused: it does not.
    """
    if limits:
        check_quotes(limits, ledger, {backend: quote_usd}, now, without=job.job_id)
    account = ledger.account(job.experiment)
    if account is not None:
        released_usd = job.cost_quoted_usd if job.cost_settled_usd is None else 0.0
        # Another process may have ended the job since it was read, and released its quote then.
        released_usd = min(released_usd, account.reserved_usd)
        replace_reservation(account, released_usd=released_usd, quote_usd=quote_usd, backend=backend)
