"""The contract suite: what every provider must do, as plain functions that a test runs over all adapters.

An adapter is described by a `ProviderUnderTest`; each check takes one and raises `AssertionError` with what was expected. Vendors'
quirks have ordinary tests beside their adapter.
"""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.execution.conformance.ability_checks import (
    check_abilities_are_declared,
    check_immediacy_agrees_with_capabilities,
    check_keys_are_told_apart,
    check_nothing_is_missing,
    check_requests_are_counted,
)
from qhybrid_pipelines.execution.conformance.job_checks import (
    check_cancel_races,
    check_cancelling_a_finished_job_is_too_late,
    check_failed_poll_keeps_what_it_saw,
    check_find,
    check_finished_job_is_stable,
    check_parts_make_the_whole,
    check_requests_per_poll,
    check_token_of_another_batch_is_rejected,
    check_token_twice_gives_one_job,
    check_unknown_job_is_not_waited_for,
    check_unknown_status_is_loud,
)
from qhybrid_pipelines.execution.conformance.provider_under_test import (
    MAX_POLLS,
    ProviderUnderTest,
    fetch_when_completed,
)
from qhybrid_pipelines.execution.conformance.result_checks import (
    check_bit_order,
    check_capabilities,
    check_counts_answer_the_batch,
    check_estimate,
    check_malformed_batches_are_rejected,
    check_prepare,
    check_same_batch_same_counts,
    check_wrong_results_are_refused,
)

__all__ = ["CHECKS", "FREE_CHECKS", "MAX_POLLS", "ProviderUnderTest", "fetch_when_completed"]

CHECKS: tuple[Callable[[ProviderUnderTest], None], ...] = (
    check_abilities_are_declared,
    check_nothing_is_missing,
    check_keys_are_told_apart,
    check_immediacy_agrees_with_capabilities,
    check_requests_are_counted,
    check_capabilities,
    check_estimate,
    check_prepare,
    check_token_twice_gives_one_job,
    check_token_of_another_batch_is_rejected,
    check_find,
    check_requests_per_poll,
    check_unknown_status_is_loud,
    check_failed_poll_keeps_what_it_saw,
    check_finished_job_is_stable,
    check_unknown_job_is_not_waited_for,
    check_counts_answer_the_batch,
    check_bit_order,
    check_same_batch_same_counts,
    check_wrong_results_are_refused,
    check_malformed_batches_are_rejected,
    check_cancelling_a_finished_job_is_too_late,
    check_cancel_races,
    check_parts_make_the_whole,
)

#: Those that submit nothing, so that they can be asked of a live service.
FREE_CHECKS: tuple[Callable[[ProviderUnderTest], None], ...] = (
    check_abilities_are_declared,
    check_nothing_is_missing,
    check_immediacy_agrees_with_capabilities,
    check_requests_are_counted,
    check_capabilities,
    check_estimate,
    check_prepare,
    check_unknown_job_is_not_waited_for,
    check_malformed_batches_are_rejected,
)
