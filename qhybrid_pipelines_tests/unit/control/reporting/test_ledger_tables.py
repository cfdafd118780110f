"""What analysts see of the ledger: rows that fit the schemas, and seconds that add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.reporting import ledger_tables as ledger_tables_module
from qhybrid_pipelines.control.reporting.ledger_tables import (
    Latency,
    job_details,
    latency,
    ledger_delta,
    ledger_tables,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines.storage.warehouse import LedgerCursor
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.fake_clock import NOON, FakeClock


def noon_plus(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def dispatcher(ledger: SqlLedger, vendor: DurableVendor, tmp_path, clock: FakeClock) -> Dispatcher:
    return Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), clock=clock.clock)


def write_job_history(dispatcher: Dispatcher, vendor: DurableVendor, clock: FakeClock, **seen) -> JobRecord:
    """Asked 2 s before noon, written at noon, acknowledged after 1 s, looked at after 60 s."""
    submit = vendor.submit

    def slow(batch, token):
        clock.at = noon_plus(1)
        return submit(batch, token)

    vendor.submit = slow
    job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0, requested_at=noon_plus(-2)))
    vendor.show(job.provider_job_id, JobState.COMPLETED, cost_usd=0.5, **seen)
    clock.at = noon_plus(60)
    [job] = dispatcher.poll([job])
    clock.at = noon_plus(63)
    return dispatcher.collect(job.job_id, make_batch()).job


def read_latency(ledger: SqlLedger, job_id: str) -> Latency:
    return latency(ledger.job(job_id), ledger.events(job_id))


def test_the_components_come_from_the_timestamps_and_add_up(dispatcher, ledger, vendor, clock) -> None:
    times = {"submitted_at": noon_plus(0.75), "started_at": noon_plus(20.75), "completed_at": noon_plus(50.75)}
    found = read_latency(ledger, write_job_history(dispatcher, vendor, clock, **times).job_id)
    assert found.network_seconds == 1.75  # 2 s until the intent, 0.25 s of them compilation
    assert found.compile_seconds == 0.25
    assert found.orchestration_seconds == 0.75
    assert found.queue_seconds == 20.0
    assert found.execute_seconds == 30.0
    assert found.fetch_seconds == 12.25
    assert found.application_seconds == 15.0
    assert found.provider_seconds == 50.0
    assert found.total_seconds == 65.0


def test_an_adapter_that_compiles_within_its_run_says_how_long_it_executed(dispatcher, ledger, vendor, clock) -> None:
    vendor.details = lambda raw: {"compile_seconds": 4.0, "execute_seconds": 25.0}
    times = {"submitted_at": noon_plus(0.75), "started_at": noon_plus(20.75), "completed_at": noon_plus(50.75)}
    found = read_latency(ledger, write_job_history(dispatcher, vendor, clock, **times).job_id)
    assert (found.orchestration_seconds, found.compile_seconds, found.execute_seconds) == (0.75, 4.25, 25.0)


def test_a_provider_without_timestamps_leaves_queue_and_execution_unknown(dispatcher, ledger, vendor, clock) -> None:
    """Queue and start were never seen: the time of our look would be a lie."""
    found = read_latency(ledger, write_job_history(dispatcher, vendor, clock).job_id)
    assert found.queue_seconds is None
    assert found.execute_seconds is None
    assert found.provider_seconds is None
    assert found.orchestration_seconds == 1.0
    assert found.fetch_seconds == 3.0


@pytest.mark.parametrize("ahead", [-500, 3600])
def test_a_clock_that_is_wrong_moves_nothing_between_the_components(dispatcher, ledger, vendor, clock, ahead) -> None:
    times = {
        "submitted_at": noon_plus(ahead),
        "started_at": noon_plus(ahead + 20),
        "completed_at": noon_plus(ahead + 50),
    }
    found = read_latency(ledger, write_job_history(dispatcher, vendor, clock, **times).job_id)
    assert found.orchestration_seconds == 1.0  # until it was acknowledged
    assert (found.queue_seconds, found.execute_seconds, found.fetch_seconds) == (20.0, 30.0, 12.0)
    assert found.total_seconds == 65.0


def test_no_seconds_are_negative(dispatcher, ledger, vendor, clock) -> None:
    times = {"submitted_at": noon_plus(0.5), "started_at": noon_plus(0.25), "completed_at": noon_plus(900)}
    found = read_latency(ledger, write_job_history(dispatcher, vendor, clock, **times).job_id)
    assert (found.queue_seconds, found.fetch_seconds) == (0.0, 0.0)


def test_a_job_that_was_only_planned_has_hardly_any_latency(dispatcher, ledger, vendor) -> None:
    vendor.plan_faults("rejected")
    job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=0.0))
    found = read_latency(ledger, job.job_id)
    assert found.total_seconds == found.compile_seconds == 0.25
    assert job_details(ledger, job.job_id).engine is None


def test_details_come_from_the_verified_result(dispatcher, ledger, vendor, clock) -> None:
    job = write_job_history(dispatcher, vendor, clock)
    details = job_details(ledger, job.job_id)
    assert (details.engine, details.engine_version, details.compile_seconds) == ("vendor-one", "1.0", 0.25)
    assert details.result_sha256 == job.result_sha256


def test_every_table_of_the_ledger_fits_its_schema(dispatcher, ledger, vendor, clock) -> None:
    done = write_job_history(dispatcher, vendor, clock)
    vendor.plan_faults("rejected")
    refused = dispatcher.submit(make_batch(seed=2), SubmitRequest(tier="interactive", budget_usd=5.0))
    rows = ledger_tables(ledger)
    made = {table.name: from_rows(table, rows[table.name]) for table in schemas.LEDGER_TABLES}
    assert set(rows) == set(made)

    jobs = {row["job_id"]: row for row in made["jobs"].to_pylist()}
    assert jobs[done.job_id]["state"] == "VERIFIED"
    assert (jobs[done.job_id]["circuits"], jobs[done.job_id]["shots"]) == (4, 400)
    assert (jobs[refused.job_id]["state"], jobs[refused.job_id]["provider_job_id"]) == ("REJECTED", None)
    assert "shots must be even" in jobs[refused.job_id]["error"]

    events = [row for row in made["job_events"].to_pylist() if row["job_id"] == done.job_id]
    assert [row["sequence"] for row in events] == list(range(1, 10))
    assert [row["event"] for row in events] == [
        "JobPlanned",
        "JobApproved",
        "JobSubmitting",
        "JobSubmitted",
        "JobQueued",
        "JobStarted",
        "JobCompleted",
        "JobFetched",
        "JobVerified",
    ]
    assert [row["from_state"] for row in events[1:]] == [row["to_state"] for row in events[:-1]]

    costs = {row["job_id"]: row for row in made["costs"].to_pylist()}[done.job_id]
    assert (costs["quoted_usd"], costs["reported_usd"], costs["reconciled_usd"], costs["budget_usd"]) == (
        0.0,
        0.5,
        0.5,
        5.0,
    )
    latency = {row["job_id"]: row for row in made["latency"].to_pylist()}[done.job_id]
    assert latency["application_seconds"] == sum(
        latency[f"{part}_seconds"] for part in ("network", "orchestration", "compile", "fetch")
    )


def test_canaries_stand_apart_from_the_jobs_of_experiments(dispatcher, ledger, vendor, clock) -> None:
    done = write_job_history(dispatcher, vendor, clock)
    batch = replace(make_batch(seed=2), experiment=CANARY_EXPERIMENT)
    asked = SubmitRequest(tier="interactive", budget_usd=5.0, requested_at=clock.at - timedelta(seconds=2))
    canary = dispatcher.submit(batch, asked)
    rows = ledger_tables(ledger)
    made = {table.name: from_rows(table, rows[table.name]).to_pylist() for table in schemas.LEDGER_TABLES}
    for name in ("jobs", "latency", "costs"):
        assert [row["job_id"] for row in made[name]] == [done.job_id]
    [apart] = made["canary_jobs"]
    assert (apart["job_id"], apart["experiment"], apart["state"]) == (
        canary.job_id,
        CANARY_EXPERIMENT,
        str(canary.state),
    )
    # Two seconds before the intent, a quarter of one of them spent on compiling.
    assert (apart["network_seconds"], apart["quoted_usd"], apart["reconciled_usd"]) == (1.75, 0.0, None)
    assert {row["job_id"] for row in made["job_events"]} == {done.job_id, canary.job_id}


def test_an_empty_ledger_gives_empty_tables(ledger) -> None:
    rows = ledger_tables(ledger)
    assert rows == {table.name: [] for table in schemas.LEDGER_TABLES}
    assert all(isinstance(from_rows(table, rows[table.name]), pa.Table) for table in schemas.LEDGER_TABLES)


def joined(delta):
    """Return the rows of all pages by table."""
    rows = {}
    for page in delta.pages:
        for name, some in page.items():
            rows[name] = [*rows.get(name, []), *some]
    return rows


def test_pages_together_are_the_whole_and_memory_holds_one(dispatcher, ledger, vendor, clock, monkeypatch) -> None:
    for seed in range(5):
        dispatcher.submit(make_batch(seed=seed), SubmitRequest(tier="interactive", budget_usd=5.0))
    whole = ledger_tables(ledger)
    monkeypatch.setattr(ledger_tables_module, "JOBS_PER_PAGE", 2)
    monkeypatch.setattr(ledger_tables_module, "EVENTS_PER_PAGE", 3)
    assert [len(page["jobs"]) for page in ledger_delta(ledger, None).pages] == [2, 2, 1]
    assert joined(ledger_delta(ledger, None)) == whole
    middle = ledger.events()[len(ledger.events()) // 2]
    part = ledger_delta(ledger, LedgerCursor(position=middle.position, hash=middle.hash))
    later = {event.job_id for event in ledger.events(after=middle.position)}
    assert set(part.jobs) == later
    assert {row["job_id"] for row in joined(part)["jobs"]} == later


def test_since_a_mark_all_rows_of_the_jobs_that_changed_are_given(dispatcher, ledger, vendor, clock) -> None:
    first = write_job_history(dispatcher, vendor, clock)
    before = ledger_delta(ledger, None)
    rows_before = joined(before)
    assert (before.jobs, rows_before) == (None, ledger_tables(ledger))
    assert ledger_delta(ledger, before.mark).jobs == ()
    vendor.plan_faults("rejected")
    second = dispatcher.submit(make_batch(seed=2), SubmitRequest(tier="interactive", budget_usd=5.0))
    part = ledger_delta(ledger, before.mark)
    rows_since = joined(part)
    assert part.jobs == (second.job_id,)
    assert part.mark.position == ledger.head().position
    for name, rows in ledger_tables(ledger).items():
        kept = [row for row in rows_before[name] if row["job_id"] == first.job_id]
        assert sorted(map(str, [*kept, *rows_since[name]])) == sorted(map(str, rows))


@pytest.mark.parametrize("forget", ["another ledger", "an older copy", "most is new", "nothing seen"])
def test_where_a_mark_is_of_no_use_everything_is_given(dispatcher, ledger, vendor, clock, forget) -> None:
    write_job_history(dispatcher, vendor, clock)
    head = ledger.head()
    mark = {
        "another ledger": LedgerCursor(position=head.position, hash="0" * 64),
        "an older copy": LedgerCursor(position=head.position + 1, hash=head.hash),
        "most is new": LedgerCursor(position=1, hash=ledger.events()[0].hash),
        "nothing seen": LedgerCursor(),
    }[forget]
    part = ledger_delta(ledger, mark)
    assert (part.jobs, joined(part)) == (None, ledger_tables(ledger))
