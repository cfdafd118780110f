"""Is this the home that it says it is, or a copy, a backup, or another one's ledger? Nothing is sent until that is clear.

A copy is recognised by what differs, never by where it lies: a home that was moved, a container with a new host name, and
further machines on one Postgres ledger go on without a question. What is compared:

* the home's id, in the ledger and in the note beside it;
* how often a program opened the home to send something, in both: a ledger that was put back is behind its note;
* the last event that was noted outside the ledger before something was sent (`control.ledger.chain.chain_anchor`);
* the lake, which a deleted ledger leaves behind;
* jobs at the provider that carry our home's id and that the ledger does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from filelock import FileLock

from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.port import HomeIdentity, Ledger
from qhybrid_pipelines.control.ledger.sql.home_row import new_home_id
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import TokenListing
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage import home_note
from qhybrid_pipelines.storage.home_decisions import HomeDecision, add_decision
from qhybrid_pipelines.storage.home_note import HomeNote, read_note, write_note
from qhybrid_pipelines.storage.layout import Home

#: Columns of the lake that have a value only after something was sent. A job that waits for a person, or that was refused,
#: has its row in `qpu_submissions` too, without a provider's id.
SENT_COLUMNS = {"qpu_submissions": "provider_job_id", "qpu_result_sets": "job_id"}

REMEDY = (
    "Put the newest ledger back, or decide: `qhybrid home continue` if this home goes on and no copy of it does, `qhybrid "
    "home separate` if it is a copy that becomes a home of its own"
)
#: Jobs named in one sentence.
MAX_NAMED_JOBS = 5
JOBS_PER_PAGE = 500


class HomeGuard:
    """Compares a home with its ledger.

    Args:
        home: its notes and its lake.
        ledger: of that home.
        is_shared: the ledger is on a server, and further homes work with it.
    """

    def __init__(self, home: Home, ledger: Ledger, *, is_shared: bool) -> None:
        self._home, self._ledger, self._is_shared = home, ledger, is_shared
        self._opened: HomeIdentity | None = None

    def problems(self) -> list[str]:
        """Return what has to be decided before anything is sent, one sentence each; nothing where all is clear.

        Raises:
            InvalidInput: a newer release has written the home.
            CorruptFile: a note cannot be read.
        """
        return self._find_problems(self._ledger.identity())

    def newer_release(self) -> str | None:
        """Return why this release sends nothing, in one sentence: a newer one has sent from the same ledger; None if none has."""
        return _newer_release(self._ledger.identity())

    def format(self) -> int:
        """Return the newest format of the releases that have written the note or sent from the ledger. Raises as `read_note`."""
        note = read_note(self._home)
        return max(note.format if note else home_note.FORMAT, self._ledger.identity().format)

    def _find_problems(self, identity: HomeIdentity) -> list[str]:
        note = read_note(self._home)
        found = self._compare(note, identity)
        noted = chain_anchor.read_link(self._home.ledger_anchor)
        if noted is not None and not self._ledger.contains(noted):
            found.append(chain_anchor.explain_missing(noted, self._ledger.head()))
        return found + read_question(self._home).sentences

    def check(self) -> None:
        """Return if something may be sent; asked before every submission.

        The first call of a process counts in the ledger and in the note that the home is opened to send.

        Raises:
            Refused: a person has to decide first, or a newer release has sent from the same ledger.
            InvalidInput: a newer release has written the home.
            CorruptFile: a note cannot be read.
        """
        with self._lock():
            identity = self._ledger.identity()
            if newer := _newer_release(identity):
                raise Refused(newer)
            problems = self._find_problems(identity)
            if problems:
                raise Refused(f"nothing is sent from this home: {'; '.join(problems)}. {REMEDY}")
            if self._opened is None:
                # A note first: a ledger that has counted, without a note, would be taken for a copy after a kill in between.
                if read_note(self._home) is None:
                    self._write_note(self._ledger.identity())
                self._opened = self._ledger.count_opening()
                self._write_note(self._opened)
            elif self._opened.home_id != identity.home_id:
                # What this process sends is labelled with the id that it has read.
                raise Refused("the home has a new id since this process was started; start it again")

    def go_on(self, *, by: str = "") -> HomeIdentity:
        """Record a person's decision that this home is the one that goes on, with this ledger and under its id.

        Args:
            by: the person.
        """
        return self._decide(self._ledger.identity(), "continue", by)

    def separate(self, *, by: str = "", is_copy: bool = False) -> HomeIdentity:
        """Record a person's decision that this home is a copy and becomes a home of its own, under a new id.

        Args:
            by: the person.
            is_copy: the person says so of a home in which nothing differs, such as a copy in which nothing has run yet.

        Raises:
            InvalidInput: nothing differs, and nobody has said that it is a copy: a new id would make every open job that of
                another home, and every running program would have to be started again.
            Refused: a newer release has sent from the same ledger.
        """
        if not is_copy and not self._known_problems():
            raise InvalidInput(
                "nothing shows that this home is a copy, so there is nothing to separate, and nothing was changed",
                remedy="`qhybrid home separate --copy` separates a copy in which nothing has run yet; never do that in the original.",
            )
        identity = HomeIdentity(home_id=new_home_id(), openings=self._ledger.identity().openings)
        return self._decide(identity, "separate", by)

    def check_listing(self, listing: TokenListing) -> None:
        """Have a person decide where a provider lists jobs with our label that the ledger has not sent.

        A job is in the ledger before it is sent, so such a job was sent by a copy, or by the ledger before it was put back.
        So was a second job with the token of one of ours: two homes have sent the same work before the provider listed it.
        """
        identity = self._ledger.identity()
        groups = (*listing.jobs.items(), *listing.labelled.items())
        listed = [(token, job) for token, found in groups for job in found]
        ours = [(token, job.ref) for token, job in listed if job.home_id == identity.home_id]
        sent = self._ledger.sent_tokens({token for token, _ in ours})
        unknown = {
            f"{ref.provider}/{ref.provider_job_id}"
            for token, ref in ours
            # A job that is being sent has no id yet: what is listed is adopted.
            if token not in sent or sent[token] not in (None, ref.provider_job_id)
        }
        if unknown := unknown - identity.accepted_jobs:
            self.ask([], jobs=unknown)

    def ask(self, problems: Iterable[str], *, jobs: Iterable[str] = ()) -> None:
        """Have a person decide about something that was seen; it stays until then, for every process.

        Args:
            problems: one sentence each.
            jobs: providers' jobs with our label that the ledger does not know, ``provider/id``.
        """
        with self._lock():
            question = read_question(self._home)
            extended = Question(
                problems=tuple(dict.fromkeys([*question.problems, *problems])), jobs=question.jobs | frozenset(jobs)
            )
            if extended != question:
                write_bytes(self._home.question, extended.to_json())

    def settle(self, problem: str) -> None:
        """Remove one of the problems of the question, which has turned out not to be a problem."""
        with self._lock():
            question = read_question(self._home)
            left = replace(question, problems=tuple(one for one in question.problems if one != problem))
            if left == Question():
                self._home.question.unlink(missing_ok=True)
            elif left != question:
                write_bytes(self._home.question, left.to_json())

    def _compare(self, note: HomeNote | None, identity: HomeIdentity) -> list[str]:
        if note is None:
            return self._compare_without_note(identity)
        if note.home_id != identity.home_id:
            return [f"the ledger belongs to home {identity.home_id}, and the note beside it to home {note.home_id}"]
        if note.openings > identity.openings:
            times = (
                f"the ledger was opened {identity.openings} times to send, and the note beside it says {note.openings}"
            )
            return [f"{times}, so it is an older copy"]
        return []

    def _compare_without_note(self, identity: HomeIdentity) -> list[str]:
        """Look at a home that is new, of format 1, the first folder of a further machine, or has lost its note."""
        if identity.openings and not self._is_shared:
            return [f"the ledger was opened {identity.openings} times to send, and the note about that is not here"]
        # By now the ledger has the job that is to be sent: what counts is whether it has any that was.
        after = ""
        while page := self._ledger.page_of_jobs(after=after, limit=JOBS_PER_PAGE):
            if any(job.provider_job_id for job in page):
                return []
            after = page[-1].job_id
        from qhybrid_pipelines.storage.lake import Lake  # Arrow, for a question that is asked once in a home's life

        lake = Lake(self._home)
        if sent := [table for table, column in SENT_COLUMNS.items() if lake.has_value(table, column)]:
            tables = ", ".join(sent)
            return [f"the lake has tables of jobs that were sent ({tables}), and the ledger has none that was"]
        return []

    def _decide(self, identity: HomeIdentity, decision: str, by: str) -> HomeIdentity:
        with self._lock():
            if newer := self.newer_release():
                raise Refused(newer)
            note, now = read_note(self._home), datetime.now(UTC)
            known = HomeDecision(
                at=now.isoformat(timespec="seconds"),
                by=by,
                decision=decision,
                home_id=self._ledger.identity().home_id,
                new_home_id=identity.home_id,
                problems=tuple(self._known_problems()),
            )
            decided = HomeIdentity(
                home_id=identity.home_id,
                openings=max(identity.openings, note.openings if note else 0) + 1,
                accepted_jobs=identity.accepted_jobs | self._questioned_jobs(),
            )
            self._ledger.change_identity(decided)
            chain_anchor.write_link(self._home.ledger_anchor, self._ledger.head(), now=now)
            self._home.ledger_checked.unlink(missing_ok=True)
            self._write_note(decided)
            self._home.question.unlink(missing_ok=True)
            add_decision(self._home, known)
            return decided

    def _known_problems(self) -> list[str]:
        try:
            return self.problems()
        except CorruptFile as error:
            return [str(error)]

    def _questioned_jobs(self) -> frozenset[str]:
        with suppress(CorruptFile):
            return read_question(self._home).jobs
        return frozenset()

    def _write_note(self, identity: HomeIdentity) -> None:
        formats = {"format": home_note.FORMAT, "collects_from": home_note.COLLECTS_FROM}
        write_note(self._home, HomeNote(home_id=identity.home_id, openings=identity.openings, **formats))

    def _lock(self) -> FileLock:
        self._home.locks.mkdir(parents=True, exist_ok=True)
        return FileLock(self._home.locks / "home-note.lock", is_singleton=True)


def _newer_release(identity: HomeIdentity) -> str | None:
    if identity.format <= home_note.FORMAT:
        return None
    return (
        f"this release (homes of format {home_note.FORMAT}) sends nothing any more, because a newer one (format {identity.format}) has "
        "sent from the same ledger; it goes on collecting: install the newer one here too"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was seen and waits for a person's decision about the whole home.

    Attributes:
        problems: one sentence each.
        jobs: providers' jobs with our label that the ledger does not know, ``provider/id``.
    """

    problems: tuple[str, ...] = ()
    jobs: frozenset[str] = frozenset()

    @property
    def sentences(self) -> list[str]:
        """All of it for a person."""
        if not self.jobs:
            return [*self.problems]
        named = ", ".join(sorted(self.jobs)[:MAX_NAMED_JOBS])
        more = f" and {len(self.jobs) - MAX_NAMED_JOBS} more" if len(self.jobs) > MAX_NAMED_JOBS else ""
        seen = f"jobs with this home's label are at their providers, and the ledger has not sent them: {named}{more}"
        return [*self.problems, f"{seen}; a copy of this home did, or this ledger is an older one"]

    def to_json(self) -> bytes:
        """Return the stored form."""
        return canonical_json({"problems": list(self.problems), "jobs": sorted(self.jobs)}).encode() + b"\n"


def read_question(home: Home) -> Question:
    """Return what was seen and waits for a person's decision.

    Raises:
        CorruptFile: the note cannot be read.
    """
    try:
        values = json.loads(home.question.read_text())
        return Question(problems=tuple(map(str, values["problems"])), jobs=frozenset(map(str, values["jobs"])))
    except FileNotFoundError:
        return Question()
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            str(home.question),
            "the question about this home cannot be read",
            remedy="`qhybrid home continue` removes it.",
        ) from error
