"""Requests to IBM's runtime REST interface and what their failures mean.

The vendor's own transport is not used: it repeats POST requests by itself and waits up to fifteen minutes for one. Its
codecs for circuits, bindings and results are; see `service`.

What failures mean is in `execution.http.http_errors`. A 401 refuses the access token: a new one is asked for once before
that counts. A 403 refuses a valid one: the instance is not this key's.

An API key is exchanged for an access token that lives for an hour. The key is read for every call; the token is
kept in memory, and dropped as soon as the key is another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

from qhybrid_pipelines.core.errors import InvalidInput, Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.execution.http.authorised_client import AuthorisedClient, Params
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http.http_errors import UNAUTHORIZED, error_text, parse_json
from qhybrid_pipelines.execution.http.transport import (
    ConnectionBroken,
    HttpResponse,
    NotSent,
    RequestLimits,
    check_url,
    send,
)

NAME = "ibm"
URL_VARIABLE = "QISKIT_IBM_URL"
IAM_VARIABLE = "QISKIT_IBM_IAM_URL"
INSTANCE_VARIABLE = "QISKIT_IBM_INSTANCE"
IAM_URL = "https://iam.cloud.ibm.com"
CREDENTIALS = CredentialSource(variable="QISKIT_IBM_TOKEN", file_variable="QISKIT_IBM_TOKEN_FILE")
#: Version of the interface that this code speaks; the same that the installed vendor's client asks for.
API_VERSION = "2025-05-01"
#: An access token is not used in its last minute.
TOKEN_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccessToken:
    key: Secret
    token: Secret
    until: float


class RuntimeClient(AuthorisedClient):
    """One request per call, and one more where a new access token is needed."""

    submission_path, replaceable_key = "/jobs", (UNAUTHORIZED,)

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        super().__init__(credentials=credentials, limits=limits)
        self._access: _AccessToken | None = None
        self._access_lock = Lock()

    @property
    def url(self) -> str:
        """The service's base address: as set, else the region's that the instance's name states.

        Raises:
            InvalidInput: the address is not safe to send a key to, or there is no instance.
        """
        reported = os.environ.get(URL_VARIABLE)
        if not reported:
            region = self._instance_region
            reported = f"https://{'' if region == 'us-east' else f'{region}.'}quantum.cloud.ibm.com/api/v1"
        return check_url(reported, variable=URL_VARIABLE)

    @property
    def instance(self) -> str:
        """The service instance's name (CRN). Raises `InvalidInput` where it is not set or not a CRN."""
        crn = os.environ.get(INSTANCE_VARIABLE, "").strip()
        if not crn.startswith("crn:") or len(crn.split(":")) < 8 or not (crn.isascii() and crn.isprintable()):
            raise InvalidInput(
                f"{INSTANCE_VARIABLE} is not the CRN of a service instance",
                remedy="Copy the instance's CRN, it begins with crn:, from the vendor's list of instances.",
            )
        return crn

    @property
    def region(self) -> str:
        """Where jobs are processed: on this machine, or in the region that the instance's name states. Raises as `url`."""
        return THIS_MACHINE if self.on_this_machine else self._instance_region

    @property
    def _instance_region(self) -> str:
        # A CRN: crn:v1:bluemix:public:quantum-computing:<region>:a/<account>:<instance>::
        return self.instance.split(":")[5]

    def key_headers(self, key: Secret) -> Mapping[str, str]:
        """Return the headers that carry an access token, and say whose instance it is for."""
        return {
            "Authorization": f"Bearer {key.reveal()}",
            "Service-CRN": self.instance,
            "IBM-API-Version": API_VERSION,
        }

    def get(self, *path: str, params: Params | None = None) -> tuple[bytes, Any]:
        """Return an answer's bytes and what they say as JSON.

        Raises:
            ResourceNotFound: 404.
            Throttled: asked to come back later.
            Unavailable: no usable answer; asking again is safe and may help.
            ProviderError: refused; asking again will not help.
        """
        answer = self._request_json("GET", path, params)
        return answer.body, self.errors.parsed(answer)

    def cancel(self, job_id: str) -> bool:
        """Ask for a job to be cancelled; return False where the service says that it is too late. Raises as `get`."""
        return self._request_json("POST", ("jobs", job_id, "cancel"), None, accept=(409,)).status != 409

    def _request_json(
        self, method: str, path: tuple[str, ...], params: Params | None, accept: tuple[int, ...] = ()
    ) -> HttpResponse:
        place = "/" + "/".join(quote(part, safe="") for part in path)
        answer = self.ask(method, place, params=params)
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        raise self.errors.refused(answer)

    def _request(self, method: str, path: str, key: Secret | None, **options: Any) -> HttpResponse:
        try:
            return super()._request(method, path, key, **options)
        except InvalidInput as error:
            raise Unavailable(str(error)) from None

    def _key(self, *, afresh: bool = False) -> Secret:
        """Return the access token for the key, a new one where the last was refused."""
        try:
            key = self._credentials.read()
            iam = check_url(os.environ.get(IAM_VARIABLE) or IAM_URL, variable=IAM_VARIABLE)
        except InvalidInput as error:
            raise Unavailable(str(error)) from None
        with self._access_lock:
            known = self._access
            if known and not afresh and known.key.equals(key) and time.monotonic() < known.until:
                return known.token
            self._access = self._exchange_key(key, iam)
            return self._access.token

    def _exchange_key(self, key: Secret, iam: str) -> _AccessToken:
        form = urlencode({"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": key.reveal()})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = send(
                "POST",
                f"{iam}/identity/token",
                headers=headers,
                body=form.encode(),
                limits=self._limits,
                asks_for_secret=True,
            )
        except (NotSent, ConnectionBroken) as error:
            # No job was sent yet, whatever became of this request.
            raise Unavailable(f"no access token: {error}") from None
        found = parse_json(answer.body)
        token = found.get("access_token") if isinstance(found, dict) else None
        if answer.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable() and token:
            until = time.monotonic() + _seconds(found.get("expires_in")) - TOKEN_MARGIN_SECONDS
            return _AccessToken(key=key, token=Secret(token), until=until)
        if answer.status == 429:
            raise self.errors.refused(answer)
        if 400 <= answer.status < 500:
            problem = f"the key is not accepted, {error_text(answer)}. {self._credentials.remedy}"
            raise Unavailable(problem)
        raise Unavailable(f"no access token: {error_text(answer)}")


def _seconds(reported: Any) -> float:
    """Return how many seconds a token lives; 0, so that it is used once, where the answer holds no number."""
    try:
        return float(reported or 0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
