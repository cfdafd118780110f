"""Every ledger keeps events in their order, by job and over all, and gives them page by page."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, TERMINAL, TRANSITIONS, Event
from qhybrid_pipelines.control.ledger.port import (
    EventData,
    Ledger,
    Transition,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import NOW, SUBMIT_EVENTS, apply_events, plan
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


class TestPages:
    def test_pages_of_jobs_together_are_all_jobs_each_once(self, ledger: Ledger) -> None:
        names = [f"{letter}{number}" for letter in "dbcaE" for number in range(3)]
        for name in names:
            ledger.plan(plan(name))
        found: list[str] = []
        while page := ledger.page_of_jobs(after=found[-1] if found else "", limit=4):
            assert len(page) <= 4
            found += [job.job_id for job in page]
        assert found == sorted(job.job_id for job in ledger.jobs())
        assert len(found) == len(names)
        assert ledger.page_of_jobs(limit=4, experiment="no-such-00000000") == []

    def test_the_newest_jobs_are_the_last_of_all_and_all_are_counted(self, ledger: Ledger) -> None:
        for number, name in enumerate("abcdef"):
            moment = NOW + timedelta(seconds=number // 2)  # two of each moment
            steps = tuple(EventData(event=event, at=moment) for event in SUBMIT_EVENTS)
            odd = {"experiment": "odd-00000000", "backend": "w:e", "provider": "w"} if number % 2 else {}
            ledger.plan(plan(name, planned_at=moment, steps=steps, **odd))
        jobs, number = ledger.newest_jobs(limit=3)
        assert ([job.job_id for job in jobs], number) == (["j-e", "j-f", "j-c"], 6)
        for wanted in (
            {"experiment": "odd-00000000"},
            {"without": "odd-00000000"},
            {"place": "w"},
            {"place": "v:d"},
            {"place": "nowhere"},
            {"states": [JobState.SUBMITTING]},
            {"states": []},
            {"states": [JobState.VERIFIED], "without": "odd-00000000"},
        ):
            expected = [
                job
                for job in ledger.jobs()
                if wanted.get("experiment") in (None, job.experiment)
                and wanted.get("without") != job.experiment
                and wanted.get("place") in (None, job.backend, job.provider)
                and job.state in wanted.get("states", JobState)
            ]
            found, number = ledger.newest_jobs(limit=10, **wanted)
            assert number == len(expected), wanted
            assert found == sorted(expected, key=lambda job: job.created_at, reverse=True), wanted

    def test_backends_histories_and_accounts_of_many_are_those_of_each(self, ledger: Ledger) -> None:
        assert ledger.backends_used() == set()
        for name, backend in (("a", "v:d"), ("b", "w:e"), ("c", "v:d"), ("d", "")):
            ledger.plan(plan(name, backend=backend, experiment=f"{name}-00000000"))
        assert ledger.backends_used() >= {"v:d", "w:e"}
        ids = ["j-c", "j-a", "j-none", "j-a"]
        assert ledger.histories(ids) == {name: ledger.events(name) for name in ("j-a", "j-c")}
        assert [job.job_id for job in ledger.jobs(ids=ids)] == ["j-a", "j-c"]
        assert ledger.jobs(ids=[]) == []
        names = ["a-00000000", "none-00000000", "d-00000000"]
        assert ledger.accounts(names) == {name: ledger.account(name) for name in ("a-00000000", "d-00000000")}

    def test_pages_of_events_together_are_all_events_in_order(self, ledger: Ledger) -> None:
        for name in "abcde":
            ledger.plan(plan(name))
        found: list[int] = []
        while page := ledger.events(after=found[-1] if found else 0, limit=4):
            assert len(page) <= 4
            found += [event.position for event in page]
        assert found == [event.position for event in ledger.events()] == list(range(1, 16))


class TestEvents:
    def test_events_read_back_with_clock_status_and_detail(self, ledger: Ledger) -> None:
        job = apply_events(ledger, ledger.plan(plan()), Event.ACKNOWLEDGE, provider_job_id="p")
        vendor = EventData(
            event=Event.QUEUE, at=NOW, clock="vendor", raw_status="ready", detail={"b": 1, "a": [None, 0.5]}
        )
        ledger.advance(Transition(job=job, steps=(vendor,), observed_at=NOW + timedelta(seconds=2, microseconds=1)))
        first, *_, last = ledger.events("j-a")
        assert (first.event, first.from_state, first.to_state, first.sequence) == (
            "JobPlanned",
            None,
            JobState.PLANNED,
            1,
        )
        assert (last.event, last.sequence, last.position) == ("JobQueued", 5, 5)
        assert (last.at, last.observed_at) == (NOW, NOW + timedelta(seconds=2, microseconds=1))
        assert (last.clock, last.raw_status, last.detail) == ("vendor", "ready", {"b": 1, "a": [None, 0.5]})

    def test_the_time_of_a_job_never_runs_backwards(self, ledger: Ledger) -> None:
        """A clock that was set back by a day moves what it observes to the job's last moment; a vendor's time stays."""
        job, yesterday = ledger.plan(plan()), NOW - timedelta(days=1)
        steps = (
            EventData(event=Event.ACKNOWLEDGE, at=yesterday),
            EventData(event=Event.QUEUE, at=yesterday, clock="vendor"),
        )
        job = ledger.advance(Transition(job=job, steps=steps, observed_at=yesterday, provider_job_id="p"))
        assert job.updated_at == NOW
        assert [(event.at, event.observed_at) for event in ledger.events("j-a")[-2:]] == [(NOW, NOW), (yesterday, NOW)]

    def test_sequences_count_by_job_and_positions_over_the_ledger(self, ledger: Ledger) -> None:
        ledger.plan(plan("a"))
        ledger.plan(plan("b"))
        assert [(e.job_id, e.sequence) for e in ledger.events()] == [(f"j-{n}", i) for n in "ab" for i in (1, 2, 3)]
        assert [e.position for e in ledger.events()] == [1, 2, 3, 4, 5, 6]
        assert ledger.head() == ChainHead(position=6, hash=ledger.events()[-1].hash)
        assert ledger.events(after=4) == ledger.events()[4:]
        assert ledger.events("j-b", after=4) == ledger.events("j-b")[1:]
        assert ledger.events(after=6) == []

    @settings(deadline=None, max_examples=25)
    @given(data=st.data())
    def test_replaying_the_events_of_a_job_gives_its_state(self, data) -> None:
        """Random legal lives of several jobs, interleaved. (`test_ledger_twins` holds the databases to the same lives.)"""
        ledger = MemoryLedger()
        jobs = {n: ledger.plan(plan(n, events=(Event.PLAN,))) for n in "abc"}
        for step in range(data.draw(st.integers(0, 25))):
            alive = sorted(n for n, job in jobs.items() if job.state not in TERMINAL)
            if not alive:
                break
            name = data.draw(st.sampled_from(alive))
            legal = [event for before, event in TRANSITIONS if before is jobs[name].state]
            event = data.draw(st.sampled_from(legal))
            new_id = event in (Event.ACKNOWLEDGE, Event.ADOPT)
            jobs[name] = apply_events(ledger, jobs[name], event, provider_job_id=f"p-{step}" if new_id else None)
        for job in ledger.jobs():
            state = None
            for event in ledger.events(job.job_id):
                assert event.from_state is state
                # Names are enough to replay: from one state, one name leads to one state.
                leads_to = {
                    after
                    for (before, step), after in TRANSITIONS.items()
                    if before is state and EVENT_NAMES[step] == event.event
                }
                assert leads_to == {event.to_state}
                state = event.to_state
            assert state is job.state
            assert job == jobs[job.payload_sha256]
            assert job.version == len(ledger.events(job.job_id))
        assert ledger.verify_chain().is_intact
        ledger.close()
