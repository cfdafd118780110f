"""Requests to a service that takes the operator's key with each of them.

The vendors' own clients are not used: they repeat POST requests, some behind a proxy only. What failures mean is in
`execution.http.http_errors`. A key that is refused (401, 403) is read again once, before that counts: it may have been replaced.
Only what submits a job is sent once in any case.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from threading import Lock
from typing import ClassVar

from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Throttled, Unavailable
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http.http_errors import FORBIDDEN, UNAUTHORIZED, HttpErrors
from qhybrid_pipelines.execution.http.transport import (
    ConnectionBroken,
    HttpResponse,
    NotSent,
    RequestLimits,
    check_url,
    is_loopback,
    send,
)

Params = list[tuple[str, str]]


class AuthorisedClient(ABC):
    """One request per call; address and key are read for each.

    Attributes:
        url_variable: names the service's base address in the environment.
        public_url: the address where that is not set.
        submission_path: where jobs are sent to, below the base address.
        submission_headers: beside those of every request.
        requests: how many were made since it was built.
    """

    url_variable: ClassVar[str]
    public_url: ClassVar[str]
    submission_path: ClassVar[str]
    submission_headers: ClassVar[Mapping[str, str]] = {}
    #: Statuses that refuse a key, which may have been replaced since it was read.
    replaceable_key: ClassVar[tuple[int, ...]] = (UNAUTHORIZED, FORBIDDEN)

    def __init__(self, *, credentials: CredentialSource, limits: RequestLimits | None = None) -> None:
        self.requests = 0
        self.errors = HttpErrors(credentials=credentials, replaceable_key=self.replaceable_key)
        self._credentials, self._limits, self._lock = credentials, limits or RequestLimits(), Lock()

    @property
    def url(self) -> str:
        """The service's base address. Raises `InvalidInput` for one that is not safe to send a key to."""
        return check_url(os.environ.get(self.url_variable) or self.public_url, variable=self.url_variable)

    @property
    def on_this_machine(self) -> bool:
        """Whether the service is an emulator on this machine."""
        return is_loopback(self.url)

    @abstractmethod
    def key_headers(self, key: Secret) -> Mapping[str, str]:
        """Return the headers that carry a key."""

    def with_key(
        self,
        key: Secret,
        method: str,  # noqa: ARG002 - a key that signs requests depends on them
        url: str,  # noqa: ARG002
        *,
        headers: Mapping[str, str],
        params: Params | None,  # noqa: ARG002
        body: bytes | None,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return the headers of a request with those that carry the key."""
        return {**self.key_headers(key), **headers}

    def submission_answer(self, answer: HttpResponse) -> HttpResponse:
        """Return what the answer to a submission says about its job, as if the job had been submitted by itself.

        Raises:
            Throttled: nothing was accepted.
        """
        return answer

    def submit_request(self, body: bytes) -> str:
        """Submit a job with one request, sent once, and return the provider's id of it.

        Args:
            body: JSON.

        Raises:
            Rejected: refused; the same request will be refused again.
            Throttled: by the answer, nothing was accepted; also without a valid key, since with one it may be accepted.
            Ambiguous: nobody knows.
        """
        try:
            answer = self._request_authorised("POST", self.submission_path, headers=self.submission_headers, body=body)
        except (NotSent, ConnectionBroken) as error:
            raise self.errors.submission_unanswered(error, self.url) from None
        except Unavailable as error:  # without a valid key no job was sent
            raise Throttled(error.message, request_sent=False) from None
        except InvalidInput as error:
            raise Throttled(f"nothing was sent: {error}", request_sent=False) from None
        return self.errors.accepted_job_id(self.submission_answer(answer))

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        public: bool = False,
    ) -> HttpResponse:
        """Make a request that may be repeated, and return the answer, whatever its status.

        Args:
            method: of HTTP.
            path: below the base address.
            params: of the query.
            headers: beside those of every request.
            body: JSON; sent twice, it says no more than sent once.
            public: no key is needed, so none is sent.

        Raises:
            Unavailable: no usable answer; asking again is safe and may help.
            ProviderError: the address is not safe to send a key to.
        """
        try:
            if public:
                return self._request(method, path, None, params=params, headers=headers)
            return self._request_authorised(method, path, params=params, headers=headers, body=body, repeatable=True)
        except InvalidInput as error:
            raise ProviderError(str(error)) from None
        except (NotSent, ConnectionBroken) as error:
            raise self.errors.unanswered(error, self.url) from None

    def _request_authorised(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        repeatable: bool = False,
    ) -> HttpResponse:
        key = self._key()
        answer = self._request(method, path, key, params=params, headers=headers, body=body)
        # The key may have been replaced since it was read. What submits is never sent twice, whoever refuses the key.
        if answer.status in self.replaceable_key and repeatable:
            fresh = self._key(afresh=True)
            if not fresh.equals(key):
                answer = self._request(method, path, fresh, params=params, headers=headers, body=body)
        return answer

    def _key(self, *, afresh: bool = False) -> Secret:  # noqa: ARG002 - it is read for every request
        try:
            return self._credentials.read()
        except InvalidInput as error:
            raise Unavailable(str(error)) from None

    def _request(
        self,
        method: str,
        path: str,
        key: Secret | None,
        *,
        params: Params | None,
        headers: Mapping[str, str] | None,
        body: bytes | None = None,
    ) -> HttpResponse:
        with self._lock:
            self.requests += 1
        url = self.url + path
        sent = {**({} if body is None else {"Content-Type": "application/json"}), **(headers or {})}
        authorised = sent if key is None else self.with_key(key, method, url, headers=sent, params=params, body=body)
        return send(method, url, headers=authorised, params=params, body=body, limits=self._limits)
