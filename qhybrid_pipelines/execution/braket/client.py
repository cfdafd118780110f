"""Requests to Amazon Braket and to the bucket where it leaves its results, one service of each per region.

The service merges submissions with equal ``clientToken``; how long it remembers one is not published, so the token is in the
task's tags as well, by which a task is found however old it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from qhybrid_pipelines.core.errors import Throttled, Unavailable
from qhybrid_pipelines.execution.braket.credentials import AwsCredentials, sign
from qhybrid_pipelines.execution.http.authorised_client import AuthorisedClient, Params
from qhybrid_pipelines.execution.http.credentials import Secret
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound, error_text
from qhybrid_pipelines.execution.http.transport import HttpResponse, RequestLimits, check_url

ENDPOINT_VARIABLE = "BRAKET_ENDPOINT"
#: As AWS's own tools read them.
STORAGE_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
CREDENTIALS = AwsCredentials()
#: Tasks of one page of a search, the published maximum.
PAGE = 100

_TASK_ARN = re.compile(r"arn:aws[a-z-]*:braket:[a-z0-9-]*:[0-9]{12}:quantum-task/[A-Za-z0-9-]{1,100}")
_OFFLINE = 424


class AwsClient(AuthorisedClient):
    """Signed requests to one service in one region.

    Args:
        region: for example ``us-east-1``.
        limits: of each request.
    """

    service: ClassVar[str]
    #: Each may hold another address; the first that is set decides.
    url_variables: ClassVar[tuple[str, ...]]

    def __init__(self, region: str, limits: RequestLimits | None = None) -> None:
        super().__init__(credentials=CREDENTIALS, limits=limits)
        self.region = region
        self.errors = replace(self.errors, job_id_field="quantumTaskArn", job_id_form=_TASK_ARN)

    @property
    def url(self) -> str:
        """The service's base address. Raises `InvalidInput` for one that is not safe to send a signature to."""
        for variable in self.url_variables:
            if given := os.environ.get(variable):
                return check_url(given, variable=variable)
        return f"https://{self.service}.{self.region}.amazonaws.com"

    def key_headers(self, key: Secret) -> Mapping[str, str]:
        """Return nothing: a key of AWS signs a request as a whole."""
        del key
        return {}

    def with_key(
        self,
        key: Secret,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Params | None,
        body: bytes | None,
    ) -> Mapping[str, str]:
        """Return the headers of a request with its signature."""
        return sign(
            key,
            service=self.service,
            region=self.region,
            method=method,
            url=url,
            headers=headers,
            params=params,
            body=body,
        )


class BraketClient(AwsClient):
    """Devices and tasks of one region."""

    service, url_variables, submission_path = "braket", (ENDPOINT_VARIABLE,), "/quantum-task"

    def submission_answer(self, answer: HttpResponse) -> HttpResponse:
        """Return the answer to a submission. Raises `Throttled` where it says that the device is offline."""
        if answer.status == _OFFLINE:
            raise Throttled(f"the device takes no tasks now: {error_text(answer)}. Try again later.")
        return answer

    def task(self, arn: str, *, with_queue: bool = False) -> tuple[bytes, dict[str, Any]]:
        """Return what is said about a task, as bytes and as JSON.

        Args:
            arn: of the task.
            with_queue: asks for its position in the queue as well.

        Raises:
            ResourceNotFound: there is no such task.
            ProviderError: no usable answer.
        """
        params = [("additionalAttributeNames", "QueueInfo")] if with_queue else None
        answer = self.ask("GET", f"/quantum-task/{quote(arn, safe='')}", params=params)
        found = self._good(answer)
        if not isinstance(found, dict) or found.get("quantumTaskArn") != arn:
            raise Unavailable(f"the answer about task {arn} is about something else")
        return answer.body, found

    def device(self, arn: str) -> dict[str, Any]:
        """Return what is said about a device. Raises as `task`."""
        found = self._good(self.ask("GET", f"/device/{quote(arn, safe='')}"))
        if not isinstance(found, dict) or found.get("deviceArn") != arn:
            raise Unavailable(f"the answer about device {arn} is about something else")
        return found

    def search_tasks(self, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the tasks that match all filters, page by page. Raises as `task`."""
        page: str | None = None
        seen: set[str] = set()
        while True:
            said = {"filters": filters, "maxResults": PAGE} | ({} if page is None else {"nextToken": page})
            found = self._good(self.ask("POST", "/quantum-tasks", body=json.dumps(said).encode()))
            tasks = found.get("quantumTasks") if isinstance(found, dict) else None
            if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
                raise Unavailable("the answer is not a list of tasks")
            yield from tasks
            page = found.get("nextToken")
            if not page:
                return
            if not isinstance(page, str) or page in seen:
                raise Unavailable("the list of tasks does not end")
            seen.add(page)

    def cancel(self, arn: str, token: str) -> None:
        """Ask for a task to be cancelled, which may be repeated; that it has ended (409) is not an error. Raises as `task`."""
        body = json.dumps({"clientToken": token}).encode()
        answer = self.ask("PUT", f"/quantum-task/{quote(arn, safe='')}/cancel", body=body)
        if answer.status != 409:
            self._good(answer)

    def _good(self, answer: HttpResponse) -> Any:
        if answer.status != 200:
            raise self.errors.refused(answer)
        return self.errors.parsed(answer)


class StorageClient(AwsClient):
    """Objects in a bucket, read with the same credentials."""

    service, url_variables = "s3", STORAGE_VARIABLES

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object.

        Raises:
            Unavailable: it is not there, or no usable answer came.
            ProviderError: refused.
        """
        answer = self.ask("GET", f"/{quote(bucket, safe='')}/{quote(key, safe='/')}")
        if answer.status == 200:
            return answer.body
        error = self.errors.refused(answer)
        if isinstance(error, ResourceNotFound):
            raise Unavailable(f"there is no object {key} in the bucket {bucket}: {error.message}")
        raise error


def _is_task(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("quantumTaskArn"), str)
