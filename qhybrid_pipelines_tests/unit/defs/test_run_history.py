"""A stage whose runs cannot end it backs off, each time for longer, up to a limit."""

from datetime import UTC, datetime

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.defs import run_history
from qhybrid_pipelines.defs.run_tags import BATCH_OF_TAG, BATCH_TAG


def test_a_stage_backs_off_for_longer_after_every_run_that_could_not_end_it():
    pauses = [run_history.backoff_after(runs) for runs in (1, 2, 3, 50)]
    assert pauses[:3] == [run_history.FIRST_BACKOFF, 2 * run_history.FIRST_BACKOFF, 4 * run_history.FIRST_BACKOFF]
    assert pauses[3] == run_history.LONGEST_BACKOFF
    backing_off = run_history.RunHistory(
        running=False,
        ended=1,
        unfinished=1,
        failed_attempts=0,
        failed_batches=0,
        backs_off_until=datetime.now(UTC) + pauses[0],
        stopped_by_a_person=False,
    )
    assert backing_off.is_backing_off(datetime.now(UTC))
    assert not backing_off.is_backing_off(datetime.now(UTC) + pauses[0])


def test_a_batch_that_a_person_ended_is_not_forgotten_among_newer_ones(monkeypatch):
    monkeypatch.setattr(run_history, "MAX_BATCHES_READ", 2)
    stage = Stage(experiment="stopped-0123456789abcdef", backend=None, job="prepare")

    def batch_run(experiment, status):
        return dg.DagsterRun(
            job_name="a_job", status=status, tags={BATCH_TAG: "prepare", BATCH_OF_TAG: f"{experiment}\nanother"}
        )

    with dg.instance_for_test() as instance:
        stopped = instance.add_run(batch_run(stage.experiment, dg.DagsterRunStatus.STARTED))
        run_history.record_stop(instance, stopped.run_id, principal="ada", reason="Ctrl-C")
        for number in range(3):
            instance.add_run(batch_run(f"other-{number}", dg.DagsterRunStatus.SUCCESS))
        assert run_history.read_run_history(instance, stage).stopped_by_a_person
