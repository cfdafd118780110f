"""The errors of this package: a small tree that callers can act on.

Each branch has its own exit code::

    QHybridError
    ├── InvalidInput          2   a file, a field or an argument is wrong; nothing was run
    ├── JobFailed             3   a job ended without a usable result
    │   └── CorruptResult         what came back contradicts what was asked for
    ├── MissingUpstream       3   a table that a stage needs was never written
    ├── CorruptFile           3   a stored file is not what was written
    ├── EnvironmentFailure    3   this machine failed: a full disk, no memory, a stream that takes nothing
    ├── Refused               4   policy, budget or a limit said no, before anything was paid
    ├── IllegalTransition     1   the life of a job took a step that its table does not know
    ├── BrokenProof           1   an answer is better than what was called proved: an error of this program
    └── ProviderError         3   a provider refused, failed, or could not be reached
        ├── Rejected              never retry: the same request will be refused again
        ├── Throttled             retry later: nothing was accepted
        ├── Unavailable           ask again: a poll or a download failed, nothing was changed
        └── Ambiguous             look the token up before any further step

Every message says what is wrong, where, and what to do; attributes carry the parts so that nobody parses messages.
"""

from __future__ import annotations

from typing import Any, ClassVar

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.core.text.redaction import redact


class QHybridError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns.

    A message may repeat names and texts of others, and ends in terminals, logs and Dagster's UI: it holds no character
    that steers one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, *args: Any) -> None:
        super().__init__(*(printable(arg) if isinstance(arg, str) else arg for arg in args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes by what it has become, not by calling `__init__` with the finished message."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def details(self) -> dict[str, Any]:
        """Return what a machine wants to know about this error, ready for JSON."""
        return {"error": type(self).__name__, "message": str(self)}


def _rebuild(kind: type[QHybridError], args: tuple[Any, ...], attributes: dict[str, Any]) -> QHybridError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InvalidInput(QHybridError):
    """Something that a person wrote is wrong: names the file, line or field, and the remedy.

    Args:
        problem: what is wrong, one sentence without the place.
        remedy: what to do about it, one sentence.
        file: the file's name as the person knows it.
        line: 1-based line in that file.
        field: dotted path of the field in a specification.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.problem, self.remedy = problem, remedy
        self.file, self.line, self.field = file, line, field
        place = ", ".join(
            part
            for part in (
                file,
                f"line {line}" if line is not None else None,
                f"field '{field}'" if field else None,
            )
            if part
        )
        super().__init__(f"{place + ': ' if place else ''}{problem.rstrip('.')}. {remedy}")

    def details(self) -> dict[str, Any]:
        """Return the parts of the message."""
        return {
            "error": type(self).__name__,
            "problem": self.problem,
            "remedy": self.remedy,
            "file": self.file,
            "line": self.line,
            "field": self.field,
        }

    def at(self, *, file: str | None = None, line: int | None = None, field: str | None = None) -> InvalidInput:
        """Return the same error with the missing parts of its place filled in."""
        return InvalidInput(
            self.problem,
            remedy=self.remedy,
            file=self.file or file,
            line=self.line if self.line is not None else line,
            field=self.field or field,
        )


class Refused(QHybridError):
    """Policy, budget or a hard limit said no; nothing was submitted and nothing was paid."""

    exit_code = 4


class JobFailed(QHybridError):
    """A job ended without a usable result, or did not end in time."""

    exit_code = 3


class CorruptResult(JobFailed):
    """A result contradicts its request: wrong shots, width, circuit or job. It is kept, and not used."""


class MissingUpstream(QHybridError):
    """A stage's input was never written. Retrying will not help; the named asset has to be materialised."""

    exit_code = 3

    def __init__(self, asset: str, key: str) -> None:
        self.asset, self.key = asset, key
        super().__init__(
            f"asset '{asset}' has no table for partition '{key}'. Materialise '{asset}' for that partition first."
        )


class NotDecided(MissingUpstream):
    """An experiment was asked for what only a decided one has."""

    def __init__(self, asset: str, key: str) -> None:
        super().__init__(asset, key)
        experiment = key.rpartition("|")[2]
        remedy = f"Finish it with `qhybrid run {experiment} --wait`; `qhybrid report {experiment}` shows how far it is."
        self.args = (f"{experiment} is not decided yet. {remedy}",)


class CorruptFile(QHybridError):
    """A stored file is not what was written: unreadable, or other bytes than its name promises.

    Args:
        file: the file's place.
        problem: what is wrong with it.
        remedy: how to get a good one.
    """

    exit_code = 3

    def __init__(self, file: str, problem: str, *, remedy: str) -> None:
        self.file, self.problem, self.remedy = file, problem, remedy
        super().__init__(f"{file}: {problem.rstrip('.')}. {remedy}")


class EnvironmentFailure(QHybridError):
    """This machine failed us: a full disk, no memory, a stream that takes nothing. What was done before is kept.

    Args:
        problem: what failed, one sentence.
        remedy: what to do about it, one sentence.
    """

    exit_code = 3

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem.rstrip('.')}. {remedy}")


class IllegalTransition(QHybridError):
    """A job's life took a step that the transition table does not contain."""


class BrokenProof(QHybridError):
    """An answer is better than what a solver or a reduction called proved: an error of this program, never of the user.

    Args:
        proved: objective that nothing was to be better than.
        by: who proved it.
        found: objective of a feasible answer.
        found_by: who found it.
    """

    def __init__(self, *, proved: float, by: str, found: float, found_by: str) -> None:
        self.proved, self.by, self.found, self.found_by = proved, by, found, found_by
        super().__init__(
            f"{found_by} found {found!r}, which is better than the {proved!r} that {by} called proved: this is an error "
            "of this program, and nothing is concluded from either. Please report it with the specification and its files."
        )


class ProviderError(QHybridError):
    """A provider refused, failed, or could not be reached.

    An adapter says what happened. Who was asked, and for what, is known to whoever called it, and is added there (see
    `execution.port.calling`).

    Args:
        message: what happened and what to do about it.
        seen: the snapshots (`core.jobs.circuit_jobs.Snapshot`) that a poll of many jobs brought all the same, so that one odd job or
            one lost page does not hide the others.

    Attributes:
        provider: its name; empty until the caller has added it.
        phase: the method of the port that failed; empty until the caller has added it.
    """

    exit_code = 3
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, seen: tuple[Any, ...] = ()) -> None:
        # Here and not in each adapter, so that none can forget it.
        self.message, self.seen = printable(redact(message)), seen
        self.provider = self.phase = ""
        super().__init__(self.message)

    def add_call(self, provider: str, phase: str) -> None:
        """Note which call failed; the first note stays, which is that of the innermost call."""
        if not self.provider:
            self.provider, self.phase = provider, phase

    def __str__(self) -> str:
        return f"{self.provider}: {self.phase} failed: {self.message}" if self.provider else self.message


class Rejected(ProviderError):
    """The provider refused the request itself; the same request will be refused again.

    Args:
        message: what happened and what to do about it.
        seen: as for `ProviderError`.
        request_sent: the request left this machine. Then the refusal may come from something in front of the provider, which
            accepted it all the same: of a submission, the token is looked up before the refusal counts.
    """

    def __init__(self, message: str, *, seen: tuple[Any, ...] = (), request_sent: bool = True) -> None:
        self.request_sent = request_sent
        super().__init__(message, seen=seen)


class Throttled(ProviderError):
    """The provider asks to come back later; by its word, it accepted nothing.

    Args:
        message: what happened and what to do about it.
        retry_after_seconds: when it wants to be asked again, if it says so.
        seen: as for `ProviderError`.
        request_sent: as for `Rejected`.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        seen: tuple[Any, ...] = (),
        request_sent: bool = True,
    ) -> None:
        self.retry_after_seconds, self.request_sent = retry_after_seconds, request_sent
        super().__init__(message, seen=seen)


class Unavailable(ProviderError):
    """A poll, a search or a download failed, or its answer was unusable; nothing was changed, so asking again is safe."""

    retryable = True


class Ambiguous(ProviderError):
    """The request may or may not have been accepted: look its token up, never guess."""


class UnknownProviderStatus(ProviderError):
    """A vendor's word that the adapter's table does not contain; a silent default would hide the job for ever."""
