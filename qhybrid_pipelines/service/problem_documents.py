"""Every answer that is not a success: a problem document (RFC 9457) with a stable code and the remedy.

One table says which error of this package is which answer. What nobody foresaw is a 500 that names no text of the error: it may
hold what other people wrote.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.errors import StaleJob
from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.core.errors import (
    CorruptFile,
    EnvironmentFailure,
    IllegalTransition,
    InvalidInput,
    JobFailed,
    MissingUpstream,
    ProviderError,
    Refused,
    Throttled,
)

MEDIA_TYPE = "application/problem+json"

#: Stable code -> what it means, in words for the page and for the description of the interface.
CODES: Mapping[str, str] = {
    "bad-request": "The request is not HTTP as it should be, or a parameter is wrong.",
    "unauthorised": "No key was sent, or one that is not in force.",
    "forbidden": "The key does not allow this.",
    "not-found": "There is nothing at this address that you may see.",
    "method-not-allowed": "The address does not take this method.",
    "conflict": "Somebody else has this experiment.",
    "wrong-state": "The job or decision is not, or no longer, in a state in which this can be done.",
    "too-large": "The body is larger than the service takes.",
    "media-type": "The body is not declared as JSON.",
    "wrong-host": "The request names another host than this service.",
    "invalid-input": "The body can be read, and says something wrong: `field` names where.",
    "key-reused": "The Idempotency-Key was used for another body.",
    "rate-limited": "More requests than this caller may send: `Retry-After` says when there is room for one.",
    "quota-exceeded": "The caller has spent or reserved what it may spend in a day.",
    "refused": "Policy, a limit or a budget says no.",
    "too-slow": "The request did not arrive completely in time.",
    "overloaded": "Too much waits already: ask again after `Retry-After`.",
    "not-ready": "The service is starting, or its ledger does not answer.",
    "storage": "This machine cannot write or read what it has to: a full disk, a damaged file.",
    "provider": "A provider could not be asked.",
    "internal": "An error of this program; `correlation_id` finds it in its log.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One answer that is not a success.

    Attributes:
        status: of HTTP.
        code: of `CODES`.
        detail: what is wrong, one sentence.
        remedy: what to do about it.
        field: dotted field of the body, or the parameter or header, that is meant.
        line: 1-based line of a file that was sent with it.
        file: that file.
        retry_after_seconds: when to ask again, if that helps.
        headers: further headers.
        extra: further members of the document.
    """

    status: int
    code: str
    detail: str
    remedy: str
    field: str | None = None
    line: int | None = None
    file: str | None = None
    retry_after_seconds: float | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def document(self, *, instance: str, correlation_id: str) -> dict[str, Any]:
        """Return the document; ``type`` is about:blank, because `code` tells the kinds apart (RFC 9457, 4.2.1)."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": as_sentence(self.detail),
            "instance": instance,
            "code": self.code,
            "field": self.field,
            "file": self.file,
            "line": self.line,
            "remedy": self.remedy,
            "correlation_id": correlation_id,
            **self.extra,
        }

    def body(self, *, instance: str, correlation_id: str) -> bytes:
        """Return the document as it is sent."""
        return json.dumps(self.document(instance=instance, correlation_id=correlation_id)).encode()

    def all_headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        found = {"content-type": MEDIA_TYPE, **self.headers}
        if self.retry_after_seconds is not None:
            found["retry-after"] = str(max(1, math.ceil(self.retry_after_seconds)))
        return found


def as_sentence(text: str) -> str:
    """Return the words of an error as a sentence; a first word that is a name of something, such as a backend, stays as it is."""
    first, _, _ = text.partition(" ")
    sentence = text[:1].upper() + text[1:] if first.isalpha() else text
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def invalid(detail: str, *, remedy: str, field: str | None = None) -> ProblemError:
    """Return the refusal of something wrong in a body."""
    return ProblemError(Problem(status=422, code="invalid-input", detail=detail, remedy=remedy, field=field))


def bad_request(detail: str, *, remedy: str, field: str | None = None) -> ProblemError:
    """Return the refusal of a wrong parameter or header."""
    return ProblemError(Problem(status=400, code="bad-request", detail=detail, remedy=remedy, field=field))


def not_found(what: str) -> ProblemError:
    """Return the answer for what is not there, or is not the caller's: the two are not told apart."""
    return ProblemError(
        Problem(
            status=404,
            code="not-found",
            detail=f"There is no {what} that you may see.",
            remedy="Check the address; the lists show what there is.",
        )
    )


def overloaded(detail: str, *, seconds: float) -> ProblemError:
    """Return the answer while too much waits."""
    return ProblemError(
        Problem(
            status=503,
            code="overloaded",
            detail=detail,
            remedy="Send the same request again later; nothing was accepted.",
            retry_after_seconds=seconds,
        )
    )


def problem_of(error: Exception) -> Problem:
    """Return the answer for an error, by the table that docs/service.md shows."""
    if isinstance(error, ProblemError):
        return error.problem
    for kind, make in _TABLE:
        if isinstance(error, kind):
            return make(error)
    return Problem(
        status=500,
        code="internal",
        detail="The service failed.",
        remedy="Report it with the correlation_id; what was acknowledged before is kept.",
    )


def _invalid_input(error: Any) -> Problem:
    return Problem(
        status=422,
        code="invalid-input",
        detail=error.problem,
        remedy=error.remedy,
        field=error.field,
        line=error.line,
        file=error.file,
    )


def _refused(error: Any) -> Problem:
    return Problem(
        status=403,
        code="refused",
        detail=str(error),
        remedy="Ask for less, or ask the owner of the policy; nothing was sent.",
    )


def _ledger_away(_: Any) -> Problem:
    return Problem(
        status=503,
        code="not-ready",
        detail="The ledger does not answer.",
        remedy="Send the same request again later.",
        retry_after_seconds=5,
    )


def _wrong_state(error: Any) -> Problem:
    return Problem(
        status=409,
        code="wrong-state",
        detail=str(error),
        remedy="Look at the job: its state and its events say what became of it.",
    )


def _busy(_: Any) -> Problem:
    return Problem(
        status=503,
        code="overloaded",
        detail="Another process is at work on this job.",
        remedy="Send the same request again later.",
        retry_after_seconds=5,
    )


def _throttled(error: Any) -> Problem:
    return Problem(
        status=503,
        code="provider",
        detail=str(error),
        remedy="Send the same request again later; nothing was paid.",
        retry_after_seconds=error.retry_after_seconds or 30,
    )


def _provider(error: Any) -> Problem:
    return Problem(
        status=502,
        code="provider",
        detail=str(error),
        remedy="Ask again later, or for another backend; nothing was paid.",
    )


def _missing(error: Any) -> Problem:
    return Problem(
        status=404,
        code="not-found",
        detail=f"{error.key} has no {error.asset} yet.",
        remedy="Look at the experiment: its state says what it waits for.",
    )


def _damaged(_: Any) -> Problem:
    return Problem(
        status=500,
        code="storage",
        detail="A stored file cannot be read, or this machine failed.",
        remedy="The operator of this service can find it with `qhybrid doctor`.",
    )


def _failed(error: Any) -> Problem:
    return Problem(
        status=409,
        code="conflict",
        detail=str(error),
        remedy="Look at the experiment: its jobs say what became of them.",
    )


_TABLE: tuple[tuple[type[Exception], Callable[[Any], Problem]], ...] = (
    (InvalidInput, _invalid_input),
    (LedgerUnreachable, _ledger_away),
    (IllegalTransition, _wrong_state),
    (StaleJob, _wrong_state),
    (LockBusy, _busy),
    (Refused, _refused),
    (Throttled, _throttled),
    (ProviderError, _provider),
    (MissingUpstream, _missing),
    (CorruptFile, _damaged),
    (EnvironmentFailure, _damaged),
    (JobFailed, _failed),
    (OSError, _damaged),
)
