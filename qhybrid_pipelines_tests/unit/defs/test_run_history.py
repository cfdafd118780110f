"""A stage whose runs cannot end it backs off, each time for longer, up to a limit."""

from datetime import UTC, datetime

from qhybrid_pipelines.defs import run_history


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
