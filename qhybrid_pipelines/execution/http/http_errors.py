"""What an answer, or none, means to a job: one table for every vendor that speaks HTTP.

A submission that was answered with a 4xx may have been accepted all the same: the answer can come from a gateway in front of
the service. `Rejected` and `Throttled` say whether the request was sent (``request_sent``), and the token of one that was is
looked up before its answer counts.

=====================  ======================================  ==========================================
what happened          to a submission                         to a poll, search or download
=====================  ======================================  ==========================================
no connection          `Throttled`: nothing was sent           `Unavailable`
cut off, timed out     `Ambiguous`                             `Unavailable`
429                    `Throttled`, with Retry-After           `Throttled`, with Retry-After
401, 403               `Throttled`                             `Unavailable`; where the vendor says by 403 that
                                                               a valid key may not do it, `ProviderError`
no key                 `Throttled`: nothing was sent           `Unavailable`
404                    `Rejected`                              `ResourceNotFound`
408, 3xx, 5xx          `Ambiguous`                             `Unavailable`
other 4xx              `Rejected`                              `ProviderError`: asking again will not help
no JSON, no id         `Ambiguous`                             `Unavailable`
=====================  ======================================  ==========================================
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.text.redaction import vendor_text
from qhybrid_pipelines.execution.http.credentials import CredentialSource
from qhybrid_pipelines.execution.http.transport import ConnectionBroken, HttpResponse, NotSent

#: Status codes that say that the key is not accepted.
UNAUTHORIZED, FORBIDDEN = 401, 403

_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
#: A server that asks to be left alone for longer is asked again after a day all the same.
_LONGEST_WAIT_SECONDS = 86_400.0
_MAX_TEXT = 300
#: Where vendors say in words what is wrong.
_TEXT_FIELDS = ("message", "error", "error_msg")
#: More than what is kept, so that a secret is whole when it is looked for.
_MAX_READ_BYTES = 20_000


class ResourceNotFound(Unavailable):
    """The provider says that there is no such thing (404)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpErrors:
    """The table above for one provider.

    Attributes:
        credentials: whose remedy is named where a key is not accepted.
        replaceable_key: statuses of a poll, search or download that another key may mend.
        job_id_field: of the answer that accepts a job.
        job_id_form: of what it holds.
    """

    credentials: CredentialSource
    replaceable_key: tuple[int, ...]
    job_id_field: str = "id"
    job_id_form: re.Pattern[str] = _JOB_ID

    def accepted_job_id(self, answer: HttpResponse) -> str:
        """Return the id of the job that a submission was answered with.

        Raises:
            ProviderError: of the kind that the table states.
        """
        if answer.status not in (200, 201):
            raise self._submission_refused(answer)
        found = parse_json(answer.body)
        job_id = found.get(self.job_id_field) if isinstance(found, dict) else None
        if isinstance(job_id, str) and self.job_id_form.fullmatch(job_id):
            return job_id
        raise self._ambiguous(f"the answer names no job: {error_text(answer)}")

    def submission_unanswered(self, error: NotSent | ConnectionBroken, url: str) -> ProviderError:
        """Return what it means to a submission that no whole answer came from ``url``."""
        if isinstance(error, ConnectionBroken):
            return self._ambiguous(str(error))
        problem = f"{url} could not be reached, so nothing was accepted: {error}. Try again later."
        return Throttled(problem, request_sent=False)

    def parsed(self, answer: HttpResponse) -> Any:
        """Return what a good answer says as JSON. Raises `Unavailable` where it is not JSON."""
        found = parse_json(answer.body)
        if found is None:
            problem = f"the answer is not JSON: {error_text(answer)}"
            raise Unavailable(problem)
        return found

    def refused(self, answer: HttpResponse) -> ProviderError:
        """Return what a status means to a poll, search or download."""
        text, status = error_text(answer), answer.status
        if status == 429:
            return self._throttled(answer)
        if status == 404:
            return ResourceNotFound(text)
        if status in self.replaceable_key:
            return Unavailable(f"{text}. {self.credentials.remedy}")
        kind = ProviderError if _is_final(status) else Unavailable
        return kind(text)

    def unanswered(self, error: NotSent | ConnectionBroken, url: str) -> ProviderError:
        """Return what it means to a poll, search or download that no whole answer came from ``url``."""
        return Unavailable(f"no answer from {url}: {error}")

    def _submission_refused(self, answer: HttpResponse) -> ProviderError:
        text, status = error_text(answer), answer.status
        if status == 429:
            return self._throttled(answer)
        if status in (UNAUTHORIZED, FORBIDDEN):
            problem = f"the key was not accepted: {text}. {self.credentials.remedy}"
            return Throttled(problem)
        if _is_final(status):
            return Rejected(text)
        return self._ambiguous(text)

    def _ambiguous(self, reason: str) -> Ambiguous:
        problem = f"{reason}. The job may have been accepted: look its token up."
        return Ambiguous(problem)

    def _throttled(self, answer: HttpResponse) -> Throttled:
        seconds = retry_after_seconds(answer.headers.get("Retry-After"), date=answer.headers.get("Date"))
        when = "later" if seconds is None else f"in {seconds:g} seconds"
        problem = f"too many requests. Try again {when}."
        return Throttled(problem, retry_after_seconds=seconds)


def parse_json(body: bytes) -> Any:
    """Return a body as JSON, None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_text(answer: HttpResponse) -> str:
    """Return status and message of an answer, one line without secrets."""
    found = parse_json(answer.body)
    text = next((found[name] for name in _TEXT_FIELDS if found.get(name)), None) if isinstance(found, dict) else None
    if not isinstance(text, str):
        text = answer.body[:_MAX_READ_BYTES].decode("utf-8", "replace")
    text = vendor_text(text[:_MAX_READ_BYTES], max_characters=_MAX_TEXT)
    return f"status {answer.status}" + (f", {text.rstrip('.')}" if text else "")


def _is_final(status: int) -> bool:
    """Tell whether the same request would be refused again; a 408 says only that it came too slowly."""
    return 400 <= status < 500 and status != 408


def retry_after_seconds(header: str | None, *, date: str | None) -> float | None:
    """Return what a Retry-After header asks for, in seconds from now; None where it cannot be read.

    Args:
        header: a number of seconds, or a date by the provider's clock.
        date: the answer's own header ``Date``, so that a date is compared with the clock that it was read from; without
            one ours has to do.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            sent_at = parsedate_to_datetime(date) if date else datetime.now(UTC)
            seconds = (parsedate_to_datetime(header) - sent_at).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS) if seconds == seconds else None  # noqa: PLR0124 - NaN
