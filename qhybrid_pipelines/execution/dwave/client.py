"""Requests to D-Wave's Solver API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.execution.http.authorised_client import AuthorisedClient, Params
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http.http_errors import parse_json
from qhybrid_pipelines.execution.http.transport import HttpResponse, RequestLimits

URL_VARIABLE = "DWAVE_API_ENDPOINT"
#: The address that the vendor's own client takes where none is set.
PUBLIC_URL = "https://cloud.dwavesys.com/sapi/v2"
CREDENTIALS = CredentialSource(variable="DWAVE_API_TOKEN", file_variable="DWAVE_API_TOKEN_FILE")
#: Of the interface, in the media type of every answer.
VERSION = "3.0.0"

_GONE = 410


def _accept(kind: str) -> dict[str, str]:
    return {"Accept": f"application/vnd.dwave.sapi.{kind}+json; version={VERSION}"}


class SapiClient(AuthorisedClient):
    """One request per call; address and token are read for each."""

    url_variable, public_url, submission_path = URL_VARIABLE, PUBLIC_URL, "/problems/"
    submission_headers = _accept("problems")

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        super().__init__(credentials=credentials, limits=limits)

    def key_headers(self, key: Secret) -> Mapping[str, str]:
        """Return the header that carries a token."""
        return {"X-Auth-Token": key.reveal()}

    def submission_answer(self, answer: HttpResponse) -> HttpResponse:
        """Return what a list says about its only problem: it is accepted or refused entry by entry, within an answer that is good as a whole."""
        found = parse_json(answer.body)
        if answer.status != 200 or not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            return answer
        entry = found[0]
        code = entry.get("error_code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 200
        return HttpResponse(status=status, headers=answer.headers, body=json.dumps(entry).encode())

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
        place = "/" + "/".join(quote(part, safe="") for part in path) + "/"
        answer = self.ask("GET", place, params=params, headers=_accept(kind))
        if answer.status == _GONE:
            raise Rejected("the service does not keep this any longer (410)")
        if answer.status != 200:
            raise self.errors.refused(answer)
        return answer.body, self.errors.parsed(answer)

    def cancel(self, problem_id: str) -> int:
        """Ask for a problem to be cancelled, which may be repeated, and return the status.

        Returns:
            200 cancelled, 202 cancelled if in time, otherwise it completes, 409 it had ended.

        Raises:
            ProviderError: as :meth:`get`.
        """
        answer = self.ask("DELETE", f"/problems/{quote(problem_id, safe='')}/", headers=_accept("problem"))
        if answer.status not in (200, 202, 409):
            raise self.errors.refused(answer)
        return answer.status
