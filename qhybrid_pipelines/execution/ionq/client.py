"""Requests to the vendor and what their failures mean. The vendor's own client is not used: it repeats POST requests.

=====================  ======================================  ==========================================
what happened          to a submission                         to a look, search or download
=====================  ======================================  ==========================================
no connection          `Throttled`: nothing was sent           `Unavailable`
cut off, timed out     `Ambiguous`                             `Unavailable`
429                    `Throttled`, with Retry-After           `Throttled`, with Retry-After
401, 403               key read again once; then `Throttled`   key read again once; then `Unavailable`
no key                 `Throttled`: nothing was sent           `Unavailable`
404                    `Rejected`                              `ResourceNotFound`
408, 3xx, 5xx          `Ambiguous`                             `Unavailable`
other 4xx              `Rejected`                              `ProviderError`: asking again will not help
no JSON, no id         `Ambiguous`                             `Unavailable`
=====================  ======================================  ==========================================
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.execution.credentials import CredentialSource, Secret, redact
from qhybrid_pipelines.execution.transport import (
    ConnectionBroken,
    HttpResponse,
    NotSent,
    RequestLimits,
    check_url,
    is_loopback,
    send,
)

URL_VARIABLE = "IONQ_API_URL"
PUBLIC_URL = "https://api.ionq.co/v0.4"
CREDENTIALS = CredentialSource(variable="IONQ_API_KEY", file_variable="IONQ_API_KEY_FILE")

Params = list[tuple[str, str]]

_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FORBIDDEN = (401, 403)
#: What a server answers that asks for nothing special may still ask to be left alone for at most a day.
_LONGEST_WAIT_SECONDS = 86_400.0


class ResourceNotFound(Unavailable):
    """The provider says that there is no such thing (404)."""


class IonQClient:
    """One request per call; address and key are read for each.

    Attributes:
        requests: how many were made since it was built.
    """

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        self.requests = 0
        self._credentials, self._limits, self._lock = credentials, limits or RequestLimits(), Lock()

    @property
    def url(self) -> str:
        """The service's base address. Raises `InvalidInput` for one that is not safe to send a key to."""
        return check_url(os.environ.get(URL_VARIABLE) or PUBLIC_URL, variable=URL_VARIABLE)

    @property
    def on_this_machine(self) -> bool:
        """Whether the service is an emulator on this machine."""
        return is_loopback(self.url)

    def post_job(self, body: bytes) -> str:
        """Send a job once and return the provider's id of it.

        Raises:
            Rejected: refused; the same request will be refused again.
            Throttled: nothing was accepted, for want of a valid key too: with one, the same request may be taken.
            Ambiguous: nobody knows.
        """
        try:
            answer = self._send_authorised("POST", "/jobs", body=body)
        except NotSent as error:
            raise Throttled(
                f"{self.url} could not be reached, so nothing was accepted: {redact(str(error))}. Try again later.",
            ) from None
        except ConnectionBroken as error:
            raise self._ambiguous_error(redact(str(error))) from None
        except Unavailable as error:  # there is no key
            raise Throttled(error.message) from None
        except InvalidInput as error:
            raise Throttled(f"nothing was sent: {error}") from None
        if answer.status in (200, 201):
            found = _parse_json(answer.body)
            job_id = found.get("id") if isinstance(found, dict) else None
            if isinstance(job_id, str) and _JOB_ID.fullmatch(job_id):
                return job_id
            raise self._ambiguous_error(f"the answer with status {answer.status} names no job: {_error_text(answer)}")
        _raise_if_throttled(answer)
        if answer.status in _FORBIDDEN:
            problem = f"nothing was accepted: {_error_text(answer)}. {self._credentials.remedy}"
            raise Throttled(problem)
        if 400 <= answer.status < 500 and answer.status != 408:
            raise Rejected(_error_text(answer))
        raise self._ambiguous_error(_error_text(answer))

    def get(self, *path: str, params: Params | None = None, public: bool = False) -> tuple[bytes, Any]:
        """Return an answer's bytes and what they say as JSON.

        Args:
            path: parts of the address below the base.
            params: of the query.
            public: no key is needed, so none is sent.

        Raises:
            ResourceNotFound: 404.
            Throttled: asked to come back later.
            Unavailable: no usable answer; asking again is safe and may help.
            ProviderError: refused; asking again will not help.
        """
        return self._request_json("GET", "/" + "/".join(quote(part, safe="") for part in path), params, public=public)

    def project(self) -> str | None:
        """Return the project of the key, None where the service does not say. Raises as :meth:`get` does."""
        _, answer = self.get("whoami")
        project = answer.get("project_id") if isinstance(answer, dict) else None
        return project if isinstance(project, str) else None

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled, which may be repeated. Raises as :meth:`get` does."""
        self._request_json("PUT", f"/jobs/{quote(job_id, safe='')}/status/cancel", None)

    def _request_json(
        self, method: str, path: str, params: Params | None, *, public: bool = False
    ) -> tuple[bytes, Any]:
        try:
            if public:
                answer = self._send(method, path, None, params=params)
            else:
                answer = self._send_authorised(method, path, params=params)
        except InvalidInput as error:
            raise ProviderError(str(error)) from None
        except (NotSent, ConnectionBroken) as error:
            raise Unavailable(f"no answer from {self.url}: {redact(str(error))}") from None
        _raise_if_throttled(answer)
        if answer.status in (200, 201):
            parsed = _parse_json(answer.body)
            if parsed is None:
                raise Unavailable(f"the answer is not JSON: {_error_text(answer)}")
            return answer.body, parsed
        if answer.status == 404:
            raise ResourceNotFound(_error_text(answer))
        if answer.status in _FORBIDDEN:
            raise Unavailable(f"{_error_text(answer)}. {self._credentials.remedy}")
        if 400 <= answer.status < 500 and answer.status != 408:
            raise ProviderError(_error_text(answer))
        raise Unavailable(_error_text(answer))

    def _send_authorised(
        self, method: str, path: str, *, params: Params | None = None, body: bytes | None = None
    ) -> HttpResponse:
        key = self._key()
        answer = self._send(method, path, key, params=params, body=body)
        if answer.status in _FORBIDDEN:
            # Refused before anything was done. The key may have been replaced since it was read.
            fresh = self._key()
            if not fresh.equals(key):
                answer = self._send(method, path, fresh, params=params, body=body)
        return answer

    def _key(self) -> Secret:
        try:
            return self._credentials.read()
        except InvalidInput as error:
            raise Unavailable(str(error)) from None

    def _send(
        self, method: str, path: str, key: Secret | None, *, params: Params | None, body: bytes | None = None
    ) -> HttpResponse:
        with self._lock:
            self.requests += 1
        return send(
            method,
            self.url + path,
            authorization=None if key is None else f"apiKey {key.reveal()}",
            headers={"Content-Type": "application/json"} if body is not None else None,
            params=params,
            body=body,
            limits=self._limits,
        )

    @staticmethod
    def _ambiguous_error(reason: str) -> Ambiguous:
        return Ambiguous(f"{reason}. The job may have been accepted: look its token up.")


def _raise_if_throttled(answer: HttpResponse) -> None:
    if answer.status != 429:
        return
    seconds = _retry_after_seconds(answer.headers.get("Retry-After"))
    when = "later" if seconds is None else f"in {seconds:g} seconds"
    raise Throttled(
        f"too many requests; nothing was done. Try again {when}.",
        retry_after_seconds=seconds,
    )


def _retry_after_seconds(header: str | None) -> float | None:
    """Return what a Retry-After header asks for: a number of seconds, or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _parse_json(body: bytes) -> Any:
    """Return a body as JSON, None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_text(answer: HttpResponse) -> str:
    """Return status and message of an answer, one line without secrets."""
    parsed = _parse_json(answer.body)
    text = parsed.get("message") or parsed.get("error") if isinstance(parsed, dict) else None
    if not isinstance(text, str):
        text = answer.body[:120].decode("utf-8", "replace")
    text = " ".join(redact(text).split())[:300]
    return f"status {answer.status}" + (f", {text.rstrip('.')}" if text else "")
