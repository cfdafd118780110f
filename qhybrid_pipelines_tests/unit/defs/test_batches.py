"""Which stages begin together: neighbours of one job, backend and requester; smaller batches where one failed."""

from __future__ import annotations

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.batches import MAX_ALONE, SIZE_VARIABLE, make_batches, stages_per_run
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.defs.run_history import RunHistory


def history(failed_batches: int = 0) -> RunHistory:
    return RunHistory(
        running=False, ended=failed_batches, unfinished=0, failed_attempts=0, failed_batches=failed_batches,
        backs_off_until=None, stopped_by_a_person=False,
    )  # fmt: skip


def batches(stages, *, order, whose=None):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, order)
        return [batch.stages for batch in make_batches(stages, whose or dict.fromkeys(stages, "ada"), instance)]


def prepared(names):
    return {Stage(experiment=name): history() for name in names}


def sizes(found):
    return sorted(map(len, found), reverse=True)


@pytest.fixture(autouse=True)
def _ten_stages_in_a_run(monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, "10")


NAMES = [f"x{number:02}" for number in range(25)]


def test_many_begin_together_in_the_order_of_partitions():
    found = batches(prepared(NAMES[::-1]), order=NAMES)
    assert [[stage.experiment for stage in stages] for stages in found] == [NAMES[:10], NAMES[10:20], NAMES[20:]]


def test_few_begin_alone():
    assert sizes(batches(prepared(NAMES[:MAX_ALONE]), order=NAMES)) == [1] * MAX_ALONE


def test_a_stranger_between_two_parts_them():
    assert sizes(batches(prepared([*NAMES[:6], *NAMES[7:12]]), order=NAMES)) == [6, 5]


def test_one_that_dagster_does_not_know_yet_begins_alone():
    assert sizes(batches(prepared([*NAMES[:10], "new"]), order=NAMES)) == [10, 1]


def test_who_asks_and_where_it_runs_are_the_same_for_a_whole_run():
    whose = {Stage(experiment=name): "ada" if number < 12 else "bob" for number, name in enumerate(NAMES)}
    found = batches(prepared(NAMES), order=NAMES, whose=whose)
    assert all(len({whose[stage] for stage in stages}) == 1 for stages in found)
    two = {
        Stage(experiment=name, backend=backend, job="execute"): history()
        for name in NAMES[:10]
        for backend in ("local:auto", "local:ideal")
    }
    assert all(len({stage.backend for stage in stages}) == 1 for stages in batches(two, order=NAMES))


@pytest.mark.parametrize("stage", [
    {"job": "submit", "backend": "ionq:simulator"},
    {"job": "collect", "backend": "ionq:simulator"},
    {"job": "execute", "backend": "local:auto", "job_set_hash": "12345678"},
])  # fmt: skip
def test_what_a_provider_has_a_part_in_begins_alone(stage):
    stages = {Stage(experiment=name, **stage): history() for name in NAMES}
    assert sizes(batches(stages, order=NAMES)) == [1] * len(NAMES)


def test_a_batch_that_failed_is_asked_for_in_smaller_ones_and_at_last_alone():
    for failed, largest in ((0, 10), (1, 2), (2, 1), (9, 1)):
        stages = {Stage(experiment=name): history(failed) for name in NAMES}
        assert max(sizes(batches(stages, order=NAMES))) == largest


@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations(NAMES),
    due=st.lists(st.sampled_from([*NAMES, "new"]), unique=True),
    failed=st.lists(st.integers(0, 2), min_size=26, max_size=26),
)
def test_each_stage_begins_once_and_a_batch_is_a_range(order, due, failed):
    stages = {Stage(experiment=name): history(failed[at]) for at, name in enumerate(due)}
    found = batches(stages, order=order)
    assert sorted(stage for one in found for stage in one) == sorted(stages)
    for one in found:
        names = [stage.experiment for stage in one]
        if len(names) > 1:
            assert order[order.index(names[0]) : order.index(names[-1]) + 1] == names
        assert len(names) <= 10


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5"])
def test_a_size_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(SIZE_VARIABLE, text)
    with pytest.raises(InvalidInput, match="stages in one run"):
        stages_per_run()
