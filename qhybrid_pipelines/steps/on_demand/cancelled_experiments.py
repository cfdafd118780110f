"""Ending a whole experiment at a person's word: every job that can still be cancelled, and no stage after that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.lifecycle import is_settled
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications


def cancel_experiment(
    experiment: str,
    specifications: Specifications,
    dispatcher: Dispatcher,
    home: Home,
    *,
    by: str | None = None,
    way: str = "qhybrid cancel",
) -> list[dict[str, Any]]:
    """Stop an experiment, then ask for each of its unfinished jobs to be cancelled.

    The stop is noted first, so that nothing new is begun meanwhile; then every request, so that the next round of polls goes on
    where this process dies. One job that cannot be cancelled does not keep the others from being tried.

    Args:
        experiment: its key.
        specifications: the register.
        dispatcher: asks the providers.
        home: keeps the stop.
        by: who asks; the default is the site's principal.
        way: how it was said.

    Returns:
        A row per job that had not ended: ``job_id``, ``backend``, ``state`` as it stands now, and ``problem``.

    Raises:
        InvalidInput: no experiment is registered under that key.
    """
    if experiment not in set(specifications):
        raise InvalidInput(
            f"no experiment '{experiment[:80]}' is registered",
            remedy="`qhybrid experiments` lists the keys.",
            field="KEY",
        )
    principal = by or dispatcher.deployment.principal
    Stops(home).add([experiment], principal=principal, now=datetime.now(UTC), reason=way)
    rows = []
    resubmitted = {
        job.job_id for job in dispatcher.jobs_to_resubmit()
    }  # among them work that has left one backend for another
    jobs = dispatcher.ledger.jobs(experiment=experiment)
    unsettled = [job for job in jobs if not is_settled(job) or job.job_id in resubmitted]
    dispatcher.decisions.intend_cancel(unsettled, by=principal)
    for job in unsettled:
        problem = None
        try:
            job = dispatcher.decisions.cancel(job.job_id, by=principal)  # noqa: PLW2901  the job as it stands now
        except QHybridError as error:
            problem = str(error)
        rows.append({"job_id": job.job_id, "backend": job.backend, "state": job.state.value, "problem": problem})
    return rows
