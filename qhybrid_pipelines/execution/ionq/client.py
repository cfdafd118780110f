"""Requests to IonQ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.execution.http.authorised_client import AuthorisedClient, Params
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret
from qhybrid_pipelines.execution.http.transport import HttpResponse, RequestLimits

URL_VARIABLE = "IONQ_API_URL"
PUBLIC_URL = "https://api.ionq.co/v0.4"
CREDENTIALS = CredentialSource(variable="IONQ_API_KEY", file_variable="IONQ_API_KEY_FILE")


class IonQClient(AuthorisedClient):
    """One request per call; address and key are read for each."""

    url_variable, public_url, submission_path = URL_VARIABLE, PUBLIC_URL, "/jobs"

    def __init__(self, *, credentials: CredentialSource = CREDENTIALS, limits: RequestLimits | None = None) -> None:
        super().__init__(credentials=credentials, limits=limits)

    def key_headers(self, key: Secret) -> Mapping[str, str]:
        """Return the header that carries a key."""
        return {"Authorization": f"apiKey {key.reveal()}"}

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
        place = "/" + "/".join(quote(part, safe="") for part in path)
        return self._parsed(self.ask("GET", place, params=params, public=public))

    def project(self) -> str | None:
        """Return the project of the key, None where the service does not say. Raises as :meth:`get` does."""
        _, answer = self.get("whoami")
        project = answer.get("project_id") if isinstance(answer, dict) else None
        return project if isinstance(project, str) else None

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled, which may be repeated. Raises as :meth:`get` does."""
        self._parsed(self.ask("PUT", f"/jobs/{quote(job_id, safe='')}/status/cancel"))

    def _parsed(self, answer: HttpResponse) -> tuple[bytes, Any]:
        if answer.status not in (200, 201):
            raise self.errors.refused(answer)
        return answer.body, self.errors.parsed(answer)
