"""What a whole loop may cost, asked before its first step: one that would run out of money half way brings nothing."""

from __future__ import annotations

from dataclasses import replace

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.steps.execute.qpu_submissions import planned_steps


def check_loop_budget(batch: Batch, spec: ExperimentSpec, dispatcher: Dispatcher, *, principal: str) -> None:
    """Return if the budget holds all steps on all backends of an experiment, or the first step was submitted before.

    Args:
        batch: the first step.
        spec: of the loop.
        dispatcher: is asked for prices, limits and policy; nothing is sent.
        principal: who asks.

    Raises:
        Refused: the loop has no budget, or would cost more; or a limit or the policy says no.
        ProviderError: a provider could not be asked for its price.
    """
    parts = dispatcher.split(batch, to_submit=True)
    if any(dispatcher.latest_job(part.batch) is not None for part in parts):
        return
    steps = planned_steps(spec)
    request = SubmitRequest(
        tier=spec.tier, budget_usd=spec.budget.usd, data_class=spec.data_class, principal=principal, times=steps
    )
    dispatcher.preview(parts, request)
    prices = {backend: steps * _price_of_step(replace(batch, backend=backend), dispatcher) for backend in spec.backends}
    total = sum(prices.values())
    account = dispatcher.ledger.account(batch.experiment)
    check_total(batch.experiment, prices, steps, spec.budget.usd if account is None else account.limit_usd, total)


def check_total(experiment: str, prices: dict[str, float], steps: int, limit_usd: float, total_usd: float) -> None:
    """Return if a budget holds a loop.

    Args:
        experiment: its key.
        prices: of all steps, by backend, USD.
        steps: at most.
        limit_usd: the budget.
        total_usd: sum of the prices.

    Raises:
        Refused: it does not.
    """
    if total_usd <= limit_usd + 1e-9:
        return
    paid = ", ".join(f"${price:.2f} on '{backend}'" for backend, price in prices.items() if price)
    what = f"the loop of experiment '{experiment}' may cost up to ${total_usd:.2f}: {steps} steps, {paid}"
    if not limit_usd:
        raise Refused(
            f"{what}. It has no budget, and nothing was sent. Write budget: {{usd: {total_usd:.2f}}}, or run it on a "
            "local:* backend."
        )
    raise Refused(
        f"{what}. Its budget is ${limit_usd:.2f}, and nothing was sent. Raise budget.usd, or lower sweep.steps, "
        "sweep.points, shots or repetitions."
    )


def _price_of_step(batch: Batch, dispatcher: Dispatcher) -> float:
    """Return the highest price of one step, USD."""
    return sum(dispatcher.estimate(part.batch).high_usd for part in dispatcher.split(batch))
