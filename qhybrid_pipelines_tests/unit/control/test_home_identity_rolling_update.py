"""Releases that follow each other on one ledger with open jobs: the older one stops sending, and never stops collecting.

A release is imitated by its numbers: the format of its homes, the oldest one that it lets collect, and a revision of the ledger's
tables that the older one does not know. The vendor's book is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger import lifecycle
from qhybrid_pipelines.control.ledger.databases import schema
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Transition
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput, Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines.storage import home_note
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

OLD = home_note.FORMAT
NEWER = """
import sqlalchemy as sa
from alembic import op

revision = "newer"
down_revision = "{known}"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("job", sa.Column("colour", sa.Text(), server_default="blue"))
"""
ONE, TWO, THREE, FOUR = (make_batch(seed=seed) for seed in (10, 20, 30, 40))


class Machines:
    """One ledger and one vendor; on Postgres each release works on a machine of its own, else all in one folder."""

    def __init__(self, path: Path, url: str | None, stack: ExitStack) -> None:
        self.path, self.url, self._stack = path, url, stack
        self.vendor = DurableVendor(path / "vendor", dedupe="tag_lookup")

    @contextmanager
    def release(self, number: int, *, collects_from: int) -> Iterator[Callable[[], Dispatcher]]:
        """Be a release; gives what starts a process of it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(home_note, "FORMAT", number)
            patch.setattr(home_note, "COLLECTS_FROM", collects_from)
            if number > OLD:
                folder = self.path / "revisions"
                folder.mkdir(exist_ok=True)
                (folder / "newer.py").write_text(NEWER.format(known=schema.REVISION))
                prepare = partial(schema.prepare, revision="newer", versions=[folder])
                patch.setattr(schema, "prepare", prepare)
            yield partial(self._process, number)

    def _process(self, number: int) -> Dispatcher:
        ledger = SqlLedger.open_postgres(self.url) if self.url else SqlLedger.open_sqlite(self.path / "ledger.db")
        self._stack.callback(ledger.close)
        home = Home(self.path / (f"machine{number}" if self.url else "machine"))
        home.path.mkdir(exist_ok=True)
        home_note.read_note(home)  # as every command does
        identity = ledger.identity()
        return Dispatcher(
            ledger,
            {"vendor": self.vendor},
            RawStore(self.path / "raw"),
            anchor=home.ledger_anchor,
            guard=HomeGuard(home, ledger, is_shared=self.url is not None),
            home_id=identity.home_id,
        )

    @property
    def accepted(self) -> int:
        return len(self.vendor.book())


@pytest.fixture(params=["sqlite", "postgres"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machines]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    with ExitStack() as stack:
        yield Machines(tmp_path, url, stack)


def submit(dispatcher: Dispatcher, batch) -> JobState:
    return dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=0.0)).state


def collected(dispatcher: Dispatcher, batch) -> JobState:
    job = dispatcher.latest_job(batch)
    assert job is not None
    return dispatcher.collect(job.job_id, batch).job.state


def test_the_older_one_stops_sending_and_goes_on_collecting(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = rf"format {OLD}\) sends nothing any more, because a newer one \(format {OLD + 1}\) has sent"
    with machines.release(OLD, collects_from=OLD) as start:
        older = start()
        assert [submit(older, batch) for batch in (ONE, TWO)] == [JobState.SUBMITTED] * 2
        with monkeypatch.context() as patch:  # the process is cut off in the middle of a call that is accepted
            patch.setattr(DurableVendor, "submit", cut_off(DurableVendor.submit))
            with pytest.raises(KeyboardInterrupt):
                submit(older, THREE)
        assert machines.accepted == 3
    with machines.release(OLD + 1, collects_from=OLD) as start:
        newer = start()
        assert newer.latest_job(ONE).state is JobState.SUBMITTED, "to look stops nobody"
    with machines.release(OLD, collects_from=OLD):
        assert submit(older, make_batch(seed=50)) is JobState.SUBMITTED
    with machines.release(OLD + 1, collects_from=OLD):
        assert submit(newer, make_batch(seed=60)) is JobState.SUBMITTED
    with machines.release(OLD, collects_from=OLD) as start:
        for process in (older, start()):
            for batch in (THREE, FOUR):
                with pytest.raises(Refused, match=refusal) as refused:
                    submit(process, batch)
                assert refused.value.exit_code == 4
            with pytest.raises(Refused, match=refusal):
                process._context.guard.go_on()
        assert machines.accepted == 5
        assert older.latest_job(FOUR).state is JobState.APPROVED, "it waits for the newer one"
        assert collected(older, ONE) is collected(start(), TWO) is JobState.VERIFIED
        assert older.poll_due().problems == ()
    with machines.release(OLD + 1, collects_from=OLD):
        assert [submit(newer, batch) for batch in (THREE, FOUR)] == [JobState.SUBMITTED] * 2
        assert collected(newer, THREE) is JobState.VERIFIED
    tokens = [line["token"] for line in machines.vendor.book()]
    assert len(tokens) == len(set(tokens)) == 6
    assert newer.ledger.verify_chain().is_intact
    assert newer.ledger.audit_rows() == []


def test_an_older_one_does_not_accuse_steps_that_it_does_not_know(machines: Machines, monkeypatch) -> None:
    """Whether a step is legal is for whoever takes it; an audit compares rows with what is sealed, and reads any step."""
    new_steps = {(JobState.APPROVED, Event.INTEND_CANCEL), (JobState.REROUTED, Event.CANCEL)}
    known = {step: after for step, after in lifecycle.TRANSITIONS.items() if step not in new_steps}
    with machines.release(OLD, collects_from=OLD) as start:
        older = start()
        assert submit(older, ONE) is JobState.SUBMITTED
    with machines.release(OLD + 1, collects_from=OLD) as start:
        newer = start()
        assert submit(newer, TWO) is JobState.SUBMITTED
        for batch in (THREE, FOUR):
            with monkeypatch.context() as patch:  # it dies with its job APPROVED
                patch.setattr(failpoints, "on_reached", die_when_planned)
                with pytest.raises(KeyboardInterrupt):
                    submit(newer, batch)
        newer.decisions.intend_cancel([newer.latest_job(FOUR)], by="bo")
        for event, fields in ((Event.REROUTE, {"rerouted_to": "j2"}), (Event.CANCEL, {})):
            job = newer.latest_job(THREE)
            newer.ledger.advance(Transition.single(job, event, newer._context.clock.now(), **fields))
    with machines.release(OLD, collects_from=OLD) as start:
        monkeypatch.setattr(lifecycle, "TRANSITIONS", known)
        for process in (older, start()):
            assert process.ledger.audit_rows() == []
            assert process.ledger.verify_chain().is_intact
        assert collected(older, ONE) is JobState.VERIFIED
        with pytest.raises(IllegalTransition):  # the negative control: it takes no such step itself
            older.ledger.advance(
                Transition.single(older.latest_job(FOUR), Event.INTEND_CANCEL, older._context.clock.now())
            )
    assert machines.accepted == 2


def die_when_planned(place: str) -> None:
    if place == "submit.planned":
        raise KeyboardInterrupt


def test_an_older_one_refuses_tables_that_it_would_misread_as_soon_as_a_newer_one_has_opened_them(
    machines: Machines,
) -> None:
    with machines.release(OLD, collects_from=OLD) as start:
        assert submit(start(), ONE) is JobState.SUBMITTED
    with machines.release(OLD + 1, collects_from=OLD + 1) as start:
        start()
    with (
        machines.release(OLD, collects_from=OLD) as start,
        pytest.raises(InvalidInput, match="has schema revision 'newer', and this release knows revisions up to"),
    ):
        start()


def cut_off(call: Callable) -> Callable:
    """Return a call that is made, and whose caller dies before it hears of it."""

    def made(*args) -> None:
        call(*args)
        raise KeyboardInterrupt

    return made
