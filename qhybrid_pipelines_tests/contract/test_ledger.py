"""What every ledger must do, on each database; and what SQLite must add: safe first use, no lost writers, no edits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from qhybrid_pipelines.control.ledger import migrations, tables
from qhybrid_pipelines.control.ledger.chain import ChainHead, seal
from qhybrid_pipelines.control.ledger.locks import LockBusy
from qhybrid_pipelines.control.ledger.migrations import MIGRATIONS, Migration, migrate
from qhybrid_pipelines.control.ledger.port import (
    JobClash,
    JobRecord,
    Ledger,
    Move,
    Outcome,
    Plan,
    ProviderJobTaken,
    StaleJob,
    Step,
    StoredResult,
)
from qhybrid_pipelines.control.ledger.reading import event_rows
from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines.control.ledger.sqlite import open_database
from qhybrid_pipelines.control.lifecycle import PUBLIC_NAMES, TERMINAL, TRANSITIONS, Event
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput, Refused
from qhybrid_pipelines.core.jobs import JobState

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
INTENT = (Event.PLAN, Event.APPROVE, Event.SUBMIT)


@pytest.fixture(params=["sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    made = SqlLedger.at(tmp_path / "ledger.db")
    yield made
    made.close()


def plan(
    name: str = "a", *, quote: float = 0.0, budget: float = 0.0, events: tuple[Event, ...] = INTENT, **facts
) -> Plan:
    given = {
        "job_id": f"j-{name}",
        "experiment": "maxcut-small-00000000",
        "backend": "v:d",
        "provider": "v",
        "payload_sha256": name,
        "occurrence": 1,
        "tier": "batch",
        "circuits": 20,
        "shots": 2000,
        "token": f"token-{name}",
        "cost_quoted_usd": quote,
        "price_source": "list of 2026-01-01",
        "budget_usd": budget,
        "requested_at": NOW - timedelta(seconds=3),
        "planned_at": NOW,
        "steps": tuple(Step(event=event, at=NOW) for event in events),
    }
    return Plan(**(given | facts))


def take(ledger: Ledger, job: JobRecord, *events: Event, **facts) -> JobRecord:
    steps = tuple(Step(event=event, at=NOW + timedelta(seconds=1)) for event in events)
    return ledger.advance(Move(job=job, steps=steps, observed_at=NOW + timedelta(seconds=2), **facts))


class TestJobs:
    def test_a_planned_job_reads_back_as_it_was_written(self, ledger: SqlLedger) -> None:
        job = ledger.plan(plan())
        assert ledger.job("j-a") == job == ledger.latest("maxcut-small-00000000", "v:d", "a")
        assert (job.state, job.version, job.attempt, job.token) == (JobState.SUBMITTING, 3, 1, "token-a")
        assert (job.created_at, job.updated_at, job.requested_at) == (NOW, NOW, NOW - timedelta(seconds=3))
        assert job.created_at.tzinfo is UTC

    def test_planning_twice_gives_the_first_job_and_reserves_once(self, ledger: SqlLedger) -> None:
        first = ledger.plan(plan(quote=1.0, budget=1.0))
        assert ledger.plan(plan(quote=1.0, budget=1.0, token="another")) == first
        assert ledger.account(first.experiment).reserved_usd == 1.0
        assert len(ledger.events()) == 3

    def test_a_time_of_another_zone_is_the_same_moment(self, ledger: SqlLedger) -> None:
        there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert ledger.plan(plan(planned_at=there)).created_at == NOW == ledger.job("j-a").created_at

    def test_facts_become_known_with_the_steps_and_stay(self, ledger: SqlLedger) -> None:
        job = take(ledger, ledger.plan(plan()), Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert job.ref.provider_job_id == "p-1"
        job = take(ledger, job, Event.QUEUE, Event.START, Event.COMPLETE, cost_usd=0.25)
        kept = StoredResult(sha256="0" * 64, size_bytes=12, content_type="application/json")
        job = take(ledger, job, Event.FETCH, result=kept)
        job = take(ledger, job, Event.VERIFY, engine="e-1")
        assert ledger.job(job.job_id) == job
        assert (job.provider_job_id, job.cost_usd, job.engine, job.result_sha256) == ("p-1", 0.25, "e-1", "0" * 64)
        assert ledger.stored_result(job.job_id) == kept
        assert ledger.stored_result("j-b") is None

    def test_the_last_occurrence_of_a_payload_counts(self, ledger: SqlLedger) -> None:
        ledger.plan(plan())
        again = ledger.plan(plan(job_id="j-a2", token="token-a2", occurrence=2))
        assert ledger.latest(again.experiment, again.backend, again.payload_sha256) == again

    def test_jobs_are_found_by_state_and_experiment(self, ledger: SqlLedger) -> None:
        first = take(ledger, ledger.plan(plan("a")), Event.ACKNOWLEDGE, provider_job_id="p")
        second = ledger.plan(plan("b", experiment="other-00000000"))
        assert ledger.jobs() == [first, second]
        assert ledger.jobs(states={JobState.SUBMITTED}) == [first]
        assert ledger.jobs(states=set()) == []
        assert ledger.jobs(experiment="other-00000000") == [second]
        assert ledger.latest("nobody", "v:d", "a") is None
        assert ledger.account("nobody") is None

    def test_an_unknown_job_is_wrong_input(self, ledger: SqlLedger) -> None:
        with pytest.raises(InvalidInput, match="no job 'j-x'"):
            ledger.job("j-x")

    def test_a_job_without_an_acknowledgement_has_no_reference(self, ledger: SqlLedger) -> None:
        with pytest.raises(ValueError, match="not acknowledged"):
            _ = ledger.plan(plan()).ref


class TestChanges:
    def test_a_change_on_an_old_version_is_refused_and_writes_nothing(self, ledger: SqlLedger) -> None:
        job = ledger.plan(plan())
        take(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p-1")
        with pytest.raises(StaleJob):
            take(ledger, job, Event.REJECT)
        assert ledger.job(job.job_id).state is JobState.SUBMITTED
        assert len(ledger.events()) == 4

    def test_a_step_that_the_life_does_not_know_writes_nothing(self, ledger: SqlLedger) -> None:
        job = ledger.plan(plan())
        with pytest.raises(IllegalTransition):
            take(ledger, job, Event.ACKNOWLEDGE, Event.VERIFY)
        assert ledger.job(job.job_id) == job
        assert len(ledger.events()) == 3

    def test_many_moves_at_once_skip_what_somebody_else_has_changed(self, ledger: SqlLedger) -> None:
        jobs = [take(ledger, ledger.plan(plan(n)), Event.ACKNOWLEDGE, provider_job_id=f"p-{n}") for n in "abc"]
        ahead = take(ledger, jobs[1], Event.QUEUE, Event.START)
        moves = [Move.of(job, Event.QUEUE, NOW) for job in jobs]
        after = ledger.advance_all(moves)
        assert [job.state for job in after] == [JobState.QUEUED, JobState.RUNNING, JobState.QUEUED]
        assert after[1] == ahead
        assert ledger.verify_chain().whole

    def test_an_id_that_belongs_to_another_job_is_refused(self, ledger: SqlLedger) -> None:
        take(ledger, ledger.plan(plan("a")), Event.ACKNOWLEDGE, provider_job_id="p-1")
        other = ledger.plan(plan("b"))
        with pytest.raises(ProviderJobTaken, match="p-1"):
            take(ledger, other, Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert ledger.job("j-b") == other
        assert ledger.verify_chain().whole

    def test_two_jobs_cannot_share_a_token(self, ledger: SqlLedger) -> None:
        ledger.plan(plan("a"))
        with pytest.raises(JobClash):
            ledger.plan(plan("b", token="token-a"))
        assert len(ledger.jobs()) == 1

    def test_attempts_tell_what_became_of_each_token(self, ledger: SqlLedger) -> None:
        job = take(ledger, ledger.plan(plan()), Event.DOUBT)
        assert ledger.attempts(job.job_id)[0].outcome is Outcome.UNKNOWN
        job = take(ledger, job, Event.DISPROVE)
        job = take(ledger, job, Event.SUBMIT, new_token="token-2")
        job = take(ledger, job, Event.DEFER)
        job = take(ledger, job, Event.SUBMIT)
        job = take(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert (job.attempt, job.token, job.provider_job_id) == (2, "token-2", "p-1")
        assert [(a.number, a.token, a.outcome, a.provider_job_id) for a in ledger.attempts(job.job_id)] == [
            (1, "token-a", Outcome.NOT_ACCEPTED, None),
            (2, "token-2", Outcome.ACCEPTED, "p-1"),
        ]


class TestBudget:
    def test_a_quote_above_the_budget_leaves_no_trace(self, ledger: SqlLedger) -> None:
        ledger.plan(plan("a", quote=0.6, budget=1.0))
        with pytest.raises(Refused, match=r"budget of \$1.00"):
            ledger.plan(plan("b", quote=0.6, budget=1.0))
        assert [job.job_id for job in ledger.jobs()] == ["j-a"]
        assert ledger.account("maxcut-small-00000000").reserved_usd == 0.6

    @pytest.mark.parametrize(
        ("events", "facts", "charged"),
        [
            ((Event.REJECT,), {}, 0.0),
            ((Event.ACKNOWLEDGE, Event.FAIL), {"provider_job_id": "p"}, 0.6),
            ((Event.ACKNOWLEDGE, Event.CANCEL), {"provider_job_id": "p", "cost_usd": 0.0}, 0.0),
            (
                (Event.ACKNOWLEDGE, Event.QUEUE, Event.START, Event.COMPLETE, Event.FETCH, Event.VERIFY),
                {"provider_job_id": "p", "cost_usd": 0.45},
                0.45,
            ),
        ],
    )
    def test_what_an_ended_job_did_not_use_may_be_spent_again(self, ledger, events, facts, charged) -> None:
        job = take(ledger, ledger.plan(plan("a", quote=0.6, budget=1.0)), *events, **facts)
        account = ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd, job.cost_settled_usd) == (0.0, charged, charged)
        rest = round(1.0 - charged, 6)
        assert ledger.plan(plan("b", quote=rest, budget=1.0)).cost_quoted_usd == rest

    def test_an_open_job_keeps_its_reservation(self, ledger: SqlLedger) -> None:
        job = take(ledger, ledger.plan(plan(quote=0.6, budget=1.0)), Event.ACKNOWLEDGE, provider_job_id="p")
        assert ledger.account(job.experiment).reserved_usd == 0.6
        assert job.cost_settled_usd is None

    def test_amounts_below_a_micro_dollar_are_kept_rounded_up_everywhere(self, ledger: SqlLedger) -> None:
        job = ledger.plan(plan("a", quote=0.0000011, budget=0.1234567))
        assert job.cost_quoted_usd == 0.000002
        job = take(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p", cost_usd=0.0000003)
        assert job.cost_usd == 0.000001
        assert ledger.job(job.job_id) == job
        assert ledger.plan(plan("b", budget=0.1234567)).state is JobState.SUBMITTING

    def test_a_budget_cannot_be_changed_by_whoever_asks_next(self, ledger: SqlLedger) -> None:
        ledger.plan(plan("a", budget=1.0))
        with pytest.raises(Refused, match="belongs to its experiment"):
            ledger.plan(plan("b", budget=1000.0))


class TestEvents:
    def test_events_read_back_with_clock_status_and_detail(self, ledger: SqlLedger) -> None:
        job = take(ledger, ledger.plan(plan()), Event.ACKNOWLEDGE, provider_job_id="p")
        vendor = Step(event=Event.QUEUE, at=NOW, clock="vendor", raw_status="ready", detail={"b": 1, "a": [None, 0.5]})
        ledger.advance(Move(job=job, steps=(vendor,), observed_at=NOW + timedelta(microseconds=1)))
        first, *_, last = ledger.events("j-a")
        assert (first.event, first.from_state, first.to_state, first.sequence) == (
            "JobPlanned",
            None,
            JobState.PLANNED,
            1,
        )
        assert (last.event, last.sequence, last.position) == ("JobQueued", 5, 5)
        assert (last.at, last.observed_at) == (NOW, NOW + timedelta(microseconds=1))
        assert (last.clock, last.raw_status, last.detail) == ("vendor", "ready", {"b": 1, "a": [None, 0.5]})

    def test_sequences_count_by_job_and_positions_over_the_ledger(self, ledger: SqlLedger) -> None:
        ledger.plan(plan("a"))
        ledger.plan(plan("b"))
        assert [(e.job_id, e.sequence) for e in ledger.events()] == [(f"j-{n}", i) for n in "ab" for i in (1, 2, 3)]
        assert [e.position for e in ledger.events()] == [1, 2, 3, 4, 5, 6]
        assert ledger.head() == ChainHead(position=6, hash=ledger.events()[-1].hash)

    @settings(deadline=None, max_examples=25)
    @given(data=st.data())
    def test_replaying_the_events_of_a_job_gives_its_state(self, data, tmp_path_factory) -> None:
        """Random legal lives of several jobs, interleaved."""
        ledger = SqlLedger.at(tmp_path_factory.mktemp("lives") / "ledger.db")
        jobs = {n: ledger.plan(plan(n, events=(Event.PLAN,))) for n in "abc"}
        for step in range(data.draw(st.integers(0, 25))):
            alive = sorted(n for n, job in jobs.items() if job.state not in TERMINAL)
            if not alive:
                break
            name = data.draw(st.sampled_from(alive))
            legal = [event for before, event in TRANSITIONS if before is jobs[name].state]
            event = data.draw(st.sampled_from(legal))
            new_id = event in (Event.ACKNOWLEDGE, Event.ADOPT)
            jobs[name] = take(ledger, jobs[name], event, provider_job_id=f"p-{step}" if new_id else None)
        for job in ledger.jobs():
            state = None
            for event in ledger.events(job.job_id):
                assert event.from_state is state
                # Names are enough to replay: from one state, one name leads to one state.
                leads_to = {
                    after
                    for (before, step), after in TRANSITIONS.items()
                    if before is state and PUBLIC_NAMES[step] == event.event
                }
                assert leads_to == {event.to_state}
                state = event.to_state
            assert state is job.state
            assert job == jobs[job.payload_sha256]
            assert job.version == len(ledger.events(job.job_id))
        assert ledger.verify_chain().whole
        ledger.close()


class TestChain:
    @pytest.fixture
    def filled(self, ledger: SqlLedger) -> SqlLedger:
        for name in "abcd":
            take(ledger, ledger.plan(plan(name)), Event.ACKNOWLEDGE, provider_job_id=f"p-{name}")
        return ledger

    @staticmethod
    def tamper(ledger: SqlLedger, *statements: str) -> None:
        """As somebody with the file and the skill to remove triggers would."""
        with ledger._engine.begin() as connection:
            for trigger in ("changed", "removed", "replaced"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS event_is_never_{trigger}")
            for statement in statements:
                connection.exec_driver_sql(statement)

    def test_an_untouched_chain_is_whole(self, filled: SqlLedger) -> None:
        report = filled.verify_chain(anchor=filled.head())
        assert report.whole
        assert report.events == 16

    @pytest.mark.parametrize(
        "change",
        ["to_state = 'VERIFIED'", "at_us = at_us + 1", "detail = '{}'", "sequence = 99", "at_us = x'00'", "hash = 'f'"],
    )
    @pytest.mark.parametrize("position", [1, 9, 16])
    def test_the_row_that_was_changed_is_named(self, filled: SqlLedger, change: str, position: int) -> None:
        self.tamper(filled, f"UPDATE event SET {change} WHERE position = {position}")
        report = filled.verify_chain()
        assert report.broken_at == position
        assert str(position) in report.problem

    @pytest.mark.parametrize("position", [1, 9, 16])
    def test_the_row_that_was_removed_is_named(self, filled: SqlLedger, position: int) -> None:
        self.tamper(filled, f"DELETE FROM event WHERE position = {position}")
        assert filled.verify_chain().broken_at == position

    @pytest.mark.parametrize("position", [1, 9, 16])
    def test_a_row_that_was_changed_with_its_own_hash_is_named(self, filled: SqlLedger, position: int) -> None:
        with filled._snapshot() as connection:
            row = list(event_rows(connection))[position - 1]
        forged = seal(row | {"clock": "vendor"})
        self.tamper(filled, f"UPDATE event SET clock = 'vendor', hash = '{forged}' WHERE position = {position}")
        assert filled.verify_chain().broken_at == position

    def test_a_rewritten_end_is_told_by_an_anchor_that_was_kept_elsewhere(self, filled: SqlLedger) -> None:
        anchor = filled.head()
        removed = filled.events()[13]
        self.tamper(
            filled,
            "DELETE FROM event WHERE position > 14",
            f"UPDATE chain_head SET position = 14, hash = '{removed.hash}'",
        )
        assert filled.verify_chain().whole
        assert filled.verify_chain(anchor).broken_at == 15
        take(filled, filled.jobs(states={JobState.SUBMITTED})[0], Event.QUEUE)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE event SET raw_status = 'done'",
            "DELETE FROM event WHERE position = 3",
            "INSERT OR REPLACE INTO event SELECT * FROM event WHERE position = 3",
        ],
    )
    def test_events_cannot_be_edited_by_accident(self, filled: SqlLedger, statement: str) -> None:
        with filled._engine.connect() as connection, pytest.raises(IntegrityError, match="append-only"):
            connection.exec_driver_sql(statement)
        assert filled.verify_chain().whole


class TestLocks:
    def test_one_holder_at_a_time_also_among_threads_and_objects(self, ledger: SqlLedger, tmp_path: Path) -> None:
        other = SqlLedger.at(tmp_path / "ledger.db")
        with (
            ledger.holding("j-a", patience_seconds=0),
            other.holding("j-b", patience_seconds=0),
            pytest.raises(LockBusy, match="j-a"),
            other.holding("j-a", patience_seconds=0.01),
        ):
            pass
        with other.holding("j-a", patience_seconds=0):
            pass
        other.close()

    def test_a_lock_outlives_an_error_of_its_holder_by_nothing(self, ledger: SqlLedger) -> None:
        with pytest.raises(ZeroDivisionError), ledger.holding("j-a", patience_seconds=0):
            _ = 1 / 0
        with ledger.holding("j-a", patience_seconds=0):
            pass


class TestSqlite:
    """What only the database file can show."""

    def test_its_modes_are_those_that_were_measured_to_be_safe(self, ledger: SqlLedger) -> None:
        with ledger._engine.connect() as connection:
            modes = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
            }
        assert modes == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}

    def test_the_tables_of_the_code_are_those_of_the_database(self, ledger: SqlLedger) -> None:
        found = inspect(ledger._engine)
        assert set(found.get_table_names()) == set(tables.metadata.tables)
        for name, table in tables.metadata.tables.items():
            assert [c["name"] for c in found.get_columns(name)] == [c.name for c in table.columns]

    def test_a_later_migration_keeps_what_is_there_and_is_applied_once(self, ledger: SqlLedger) -> None:
        ledger.plan(plan())
        later = Migration(
            version=3,
            summary="a new column",
            statements=("ALTER TABLE job ADD COLUMN colour TEXT",),
            dialects={"postgresql": ("not for here",)},
        )
        for _ in range(2):
            with ledger._engine.begin() as connection:
                assert migrate(connection, (*MIGRATIONS, later)) == 3
        with ledger._engine.connect() as connection:
            versions = connection.exec_driver_sql("SELECT version FROM schema_version ORDER BY version").scalars()
            assert list(versions) == [1, 2, 3]
            assert connection.exec_driver_sql("SELECT job_id, colour FROM job").all() == [("j-a", None)]

    def test_a_ledger_of_a_newer_release_is_not_touched(self, tmp_path: Path) -> None:
        ledger = SqlLedger.at(tmp_path / "ledger.db")
        with ledger._engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO schema_version VALUES (7, 'from the future', 0)")
        ledger.close()
        with pytest.raises(InvalidInput, match="schema version 7"):
            SqlLedger.at(tmp_path / "ledger.db")

    def test_versions_count_up_by_one(self) -> None:
        assert [m.version for m in migrations.MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))

    def test_a_file_of_another_program_is_wrong_input(self, tmp_path: Path) -> None:
        (tmp_path / "ledger.db").write_text("these are my notes, in no way a database " * 100)
        with pytest.raises(InvalidInput, match="not a database") as error:
            SqlLedger.at(tmp_path / "ledger.db")
        assert error.value.file == str(tmp_path / "ledger.db")

    def test_a_folder_that_cannot_be_made_is_wrong_input(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("a file")
        with pytest.raises(InvalidInput, match="cannot be opened"):
            SqlLedger.at(tmp_path / "home" / "ledger.db")

    def test_eight_first_users_at_once_make_one_ledger(self, tmp_path: Path) -> None:
        answers = forked(8, "plan(SqlLedger.at(home / 'ledger.db'), 'a' if number % 2 else 'b')", tmp_path)
        assert answers == [0] * 8
        ledger = SqlLedger.at(tmp_path / "ledger.db")
        assert [job.job_id for job in ledger.jobs()] == ["j-a", "j-b"]
        assert len(ledger.events()) == 6
        assert ledger.verify_chain().whole
        ledger.close()

    def test_eight_processes_racing_on_one_budget_never_overspend(self, tmp_path: Path) -> None:
        """20 quotes of $0.10 each by 8 processes, for a budget that holds 25."""
        work = "[plan(ledger, f'{number}-{i}', quote=0.1, budget=2.5) for i in range(20)]"
        answers = forked(8, work, tmp_path, before="ledger = SqlLedger.at(home / 'ledger.db')")
        assert answers == [0] * 8
        ledger = SqlLedger.at(tmp_path / "ledger.db")
        account = ledger.account("maxcut-small-00000000")
        assert len(ledger.jobs()) == 25
        assert (account.reserved_usd, account.settled_usd) == (2.5, 0.0)
        assert ledger.verify_chain().whole
        ledger.close()

    def test_a_forked_child_opens_its_own_connections(self, tmp_path: Path) -> None:
        answers = forked(
            4, "plan(ledger, str(number))", tmp_path, before="ledger = SqlLedger.at(home / 'ledger.db'); ledger.jobs()"
        )
        assert answers == [0] * 4
        ledger = SqlLedger.at(tmp_path / "ledger.db")
        assert len(ledger.jobs()) == 4
        ledger.close()


SCRIPT = """
import json, os, sys, traceback
from pathlib import Path
sys.path.insert(0, {folder!r})
import test_ledger
from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines.core.errors import Refused

def plan(ledger, name, **facts):
    try:
        ledger.plan(test_ledger.plan(name, **facts))
    except Refused:
        pass

home = Path({home!r})
{before}
go, started = os.pipe()
children = []
for number in range({copies}):
    child = os.fork()
    if child == 0:
        os.close(started)
        os.read(go, 1)  # returns when the parent closes its end: all start together
        try:
            {work}
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.append(child)
os.close(started)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def forked(copies: int, work: str, home: Path, *, before: str = "") -> list[int]:
    """Do ``work`` in ``copies`` processes that start at the same moment and return how each ended."""
    script = SCRIPT.format(folder=str(Path(__file__).parent), home=str(home), before=before, copies=copies, work=work)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert not done.stderr, done.stderr
    answer: list[int] = json.loads(done.stdout)
    return answer


def test_the_sqlite_file_can_be_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        engine = open_database(tmp_path / "a b%c" / "ledger.db")
        engine.dispose()
    assert (tmp_path / "a b%c" / "ledger.db").is_file()
