"""Requests to the vendor. The vendor's own client is not used: it repeats POST requests.

What their failures mean is in `execution.http_errors`. A key that is refused (401, 403) is read again once, before
that counts: it may have been replaced. Only what submits a job is sent once in any case.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Throttled, Unavailable
from qhybrid_pipelines.execution.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http_errors import FORBIDDEN, UNAUTHORIZED, HttpErrors
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

_KEY_REFUSED = (UNAUTHORIZED, FORBIDDEN)


class IonQClient:
    """One request per call; address and key are read for each.

    Attributes:
        requests: how many were made since it was built.
    """

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        self.requests = 0
        self._credentials, self._limits, self._lock = credentials, limits or RequestLimits(), Lock()
        self._errors = HttpErrors(credentials=credentials, replaceable_key=_KEY_REFUSED)

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
            Throttled: by the answer, nothing was accepted; also without a valid key, since with one it may be accepted.
            Ambiguous: nobody knows.
        """
        try:
            answer = self._send_authorised("POST", "/jobs", body=body)
        except (NotSent, ConnectionBroken) as error:
            raise self._errors.submission_unanswered(error, self.url) from None
        except Unavailable as error:  # there is no valid key, or none can be had for it: no job was sent
            raise Throttled(error.message, request_sent=False) from None
        except InvalidInput as error:
            raise Throttled(f"nothing was sent: {error}", request_sent=False) from None
        return self._errors.accepted_job_id(answer)

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
            raise self._errors.unanswered(error, self.url) from None
        if answer.status not in (200, 201):
            raise self._errors.refused(answer)
        return answer.body, self._errors.parsed(answer)

    def _send_authorised(
        self, method: str, path: str, *, params: Params | None = None, body: bytes | None = None
    ) -> HttpResponse:
        key = self._key()
        answer = self._send(method, path, key, params=params, body=body)
        # The key may have been replaced since it was read. What submits is never sent twice, whoever refuses the key.
        if answer.status in _KEY_REFUSED and body is None:
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
