"""Requests to the Solver API. The vendor's own client is not used: behind a proxy it repeats POST requests.

What their failures mean is in `execution.http_errors`. A token that is refused (401, 403) is read again once, before that
counts. Only what submits a problem is sent once in any case.
"""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.execution.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http_errors import FORBIDDEN, UNAUTHORIZED, HttpErrors, parse_json
from qhybrid_pipelines.execution.transport import (
    ConnectionBroken,
    HttpResponse,
    NotSent,
    RequestLimits,
    check_url,
    is_loopback,
    send,
)

URL_VARIABLE = "DWAVE_API_ENDPOINT"
#: The address that the vendor's own client takes where none is set.
PUBLIC_URL = "https://cloud.dwavesys.com/sapi/v2"
CREDENTIALS = CredentialSource(variable="DWAVE_API_TOKEN", file_variable="DWAVE_API_TOKEN_FILE")
#: Of the interface, in the media type of every answer.
VERSION = "3.0.0"

Params = list[tuple[str, str]]

_KEY_REFUSED = (UNAUTHORIZED, FORBIDDEN)
_GONE = 410


class SapiClient:
    """One request per call; address and token are read for each.

    Attributes:
        requests: how many were made since it was built.
    """

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        self.requests = 0
        self._credentials, self._limits, self._lock = credentials, limits or RequestLimits(), Lock()
        self._errors = HttpErrors(credentials=credentials, replaceable_key=_KEY_REFUSED)

    @property
    def url(self) -> str:
        """The service's base address. Raises `InvalidInput` for one that is not safe to send a token to."""
        return check_url((os.environ.get(URL_VARIABLE) or PUBLIC_URL).rstrip("/"), variable=URL_VARIABLE)

    @property
    def on_this_machine(self) -> bool:
        """Whether the service is an emulator on this machine."""
        return is_loopback(self.url)

    def post_problem(self, body: bytes) -> str:
        """Send a list with one problem once, and return the provider's id of it.

        The list is accepted or refused entry by entry, within an answer that is good as a whole.

        Raises:
            Rejected: refused; the same request will be refused again.
            Throttled: by the answer, nothing was accepted, for want of a valid token too: with one, it may be taken.
            Ambiguous: nobody knows.
        """
        try:
            answer = self._send_authorised("POST", "/problems/", "problems", body=body)
        except (NotSent, ConnectionBroken) as error:
            raise self._errors.submission_unanswered(error, self.url) from None
        except Unavailable as error:  # there is no valid token, or none can be had for it: no problem was sent
            raise Throttled(error.message, request_sent=False) from None
        except InvalidInput as error:
            raise Throttled(f"nothing was sent: {error}", request_sent=False) from None
        return self._errors.accepted_job_id(_only_entry(answer))

    def get(self, kind: str, *path: str, params: Params | None = None) -> tuple[bytes, Any]:
        """Return an answer's bytes and what they say as JSON.

        Args:
            kind: of the answer, as in its media type, for example ``problem-answer``.
            path: parts of the address below the base.
            params: of the query.

        Raises:
            ResourceNotFound: 404.
            Throttled: asked to come back later.
            Unavailable: no usable answer; asking again is safe and may help.
            Rejected: no longer kept (410).
            ProviderError: refused; asking again will not help.
        """
        answer = self._ask("GET", "/" + "/".join(quote(part, safe="") for part in path) + "/", kind, params)
        if answer.status == _GONE:
            raise Rejected("the service does not keep this any longer (410)")
        if answer.status != 200:
            raise self._errors.refused(answer)
        return answer.body, self._errors.parsed(answer)

    def cancel(self, problem_id: str) -> int:
        """Ask for a problem to be cancelled, which may be repeated, and return the status.

        Returns:
            200 cancelled, 202 cancelled if in time, otherwise it completes, 409 it had ended.

        Raises:
            ProviderError: as :meth:`get`.
        """
        answer = self._ask("DELETE", f"/problems/{quote(problem_id, safe='')}/", "problem", None)
        if answer.status not in (200, 202, 409):
            raise self._errors.refused(answer)
        return answer.status

    def _ask(self, method: str, path: str, kind: str, params: Params | None) -> HttpResponse:
        try:
            return self._send_authorised(method, path, kind, params=params)
        except InvalidInput as error:
            raise ProviderError(str(error)) from None
        except (NotSent, ConnectionBroken) as error:
            raise self._errors.unanswered(error, self.url) from None

    def _send_authorised(
        self, method: str, path: str, kind: str, *, params: Params | None = None, body: bytes | None = None
    ) -> HttpResponse:
        key = self._key()
        answer = self._send(method, path, kind, key, params=params, body=body)
        # The token may have been replaced since it was read. What submits is never sent twice, whoever refuses the token.
        if answer.status in _KEY_REFUSED and body is None:
            fresh = self._key()
            if not fresh.equals(key):
                answer = self._send(method, path, kind, fresh, params=params, body=body)
        return answer

    def _key(self) -> Secret:
        try:
            return self._credentials.read()
        except InvalidInput as error:
            raise Unavailable(str(error)) from None

    def _send(
        self, method: str, path: str, kind: str, key: Secret, *, params: Params | None, body: bytes | None
    ) -> HttpResponse:
        with self._lock:
            self.requests += 1
        headers = {
            "X-Auth-Token": key.reveal(),
            "Accept": f"application/vnd.dwave.sapi.{kind}+json; version={VERSION}",
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        return send(method, self.url + path, headers=headers, params=params, body=body, limits=self._limits)


def _only_entry(answer: HttpResponse) -> HttpResponse:
    """Return what a list says about its only problem, as if that had been answered by itself."""
    found = parse_json(answer.body)
    if answer.status != 200 or not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        return answer
    entry = found[0]
    code = entry.get("error_code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 200
    return HttpResponse(status=status, headers=answer.headers, body=json.dumps(entry).encode())
