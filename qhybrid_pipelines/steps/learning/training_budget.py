"""What training on a backend may cost, with measuring what was trained, asked before the first iteration is sent."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.steps.learning.estimates import planned_inferences
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.specifications import Specifications


def check_training_budget(
    batches: Sequence[CircuitBatch],
    spec: LearningSpec,
    dispatcher: Dispatcher,
    principal: str,
    *,
    specifications: Specifications,
    lake: Lake,
) -> None:
    """Return if the budget holds all iterations and the measurements after them, or the first iteration was submitted before.

    Args:
        batches: of the first iteration, one for each model.
        spec: of the experiment.
        dispatcher: is asked for prices, limits and policy; nothing is sent.
        principal: who asks.
        specifications: keep the data.
        lake: of the experiment.

    Raises:
        Refused: there is no budget, or it would cost more; or a limit or the policy says no.
        ProviderError: a provider could not be asked for its price.
    """
    parts = [part for batch in batches for part in dispatcher.split(batch, to_submit=True)]
    if any(dispatcher.latest_job(part.batch) is not None for part in parts):
        return
    key, iterations = batches[0].experiment, spec.training.iterations or 1
    request = SubmitRequest(
        tier=spec.tier,
        budget_usd=spec.budget.usd,
        data_class=spec.data_class,
        principal=principal,
        times=iterations,
    )
    dispatcher.preview(parts, request)
    training = iterations * sum(dispatcher.estimate(part.batch).high_usd for part in parts)
    measuring = sum(
        dispatcher.estimate(part.batch).high_usd
        for backend in spec.backends
        for plan in planned_inferences(key, backend, spec, specifications, lake)
        for part in dispatcher.split(plan.batch)
    )
    account = dispatcher.ledger.account(key)
    check_training_total(key, spec, training, measuring, spec.budget.usd if account is None else account.limit_usd)


def check_training_total(
    key: str, spec: LearningSpec, training_usd: float, measuring_usd: float, limit_usd: float
) -> None:
    """Return if a budget holds a training and the measurements after it.

    Args:
        key: of the experiment.
        spec: of it.
        training_usd: price of all iterations of all models.
        measuring_usd: price of measuring the trained circuits on all backends.
        limit_usd: the budget.

    Raises:
        Refused: it does not.
    """
    total = training_usd + measuring_usd
    if total <= limit_usd + 1e-9:
        return
    what = (
        f"training experiment '{key}' on '{spec.training.backend}' may cost up to ${total:.2f}: {spec.training.iterations} "
        f"iterations for ${training_usd:.2f}, and ${measuring_usd:.2f} to measure what was trained"
    )
    if not limit_usd:
        raise Refused(
            f"{what}. It has no budget, and nothing was sent. Write budget: {{usd: {total:.2f}}}, or train it on a local:* "
            "backend."
        )
    raise Refused(
        f"{what}. Its budget is ${limit_usd:.2f}, and nothing was sent. Raise budget.usd, or {cheaper_training(spec)}."
    )


def cheaper_training(spec: LearningSpec) -> str:
    """Return what makes training on a backend, and measuring what was trained, cheaper, as a clause in the imperative."""
    lower = "lower training.iterations, training.batch_size, training.shots or evaluation.shots"
    return lower if spec.training.optimiser == "spsa" else f"{lower}, or take training.optimiser: spsa"
