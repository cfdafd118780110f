"""AWS credentials: found where every AWS tool finds them, and used to sign requests, never sent themselves.

botocore reads the chain (environment, profile, single sign-on, roles, the machine's own identity) and signs; its clients are not
used, so that every request is bounded, counted and sent once by `execution.http.transport`. It is imported when a request is made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote, urlencode

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.redaction import register_secret
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret

INSTALL = "pip install 'qhybrid-pipelines[braket]'"

#: How long what the chain led to is used before it is walked again: some of its links ask a service for credentials.
_REMEMBERED_SECONDS = 60.0
_found: dict[str, tuple[float, Any]] = {}


class AwsCredentials(CredentialSource):
    """The chain of AWS credentials; a key is its three parts as one text, which nobody sends."""

    def __init__(self) -> None:
        super().__init__(variable="AWS_ACCESS_KEY_ID", file_variable="AWS_SHARED_CREDENTIALS_FILE")

    @property
    def remedy(self) -> str:
        """What a person does about credentials that are missing or refused."""
        return (
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; the policy AmazonBraketFullAccess allows "
            "what is needed."
        )

    def read(self) -> Secret:
        """Return the credentials as they are now; what was replaced in the environment is seen at once, elsewhere within a minute.

        Raises:
            InvalidInput: there are none, they cannot be refreshed, or botocore is not installed.
        """
        if find_spec("botocore") is None:
            raise InvalidInput("requests to AWS are signed by botocore, which is not installed", remedy=f"{INSTALL}.")
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = _walk_chain()
            frozen = None if found is None else found.get_frozen_credentials()
        # A service that lends credentials refuses by ClientError; what it lent is expired already: RuntimeError.
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise InvalidInput(f"the AWS credentials cannot be read: {error}", remedy=self.remedy) from None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise InvalidInput("no AWS credentials were found", remedy=self.remedy)
        for part in (frozen.secret_key, frozen.token):
            if part:
                register_secret(part)
        return Secret(json.dumps([frozen.access_key, frozen.secret_key, frozen.token]))


def _walk_chain() -> Any:
    """Return what the chain leads to in this environment; it refreshes itself where it expires. None where it leads nowhere."""
    from botocore.session import Session

    named = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    place = sha256_hex(json.dumps(named, sort_keys=True))
    then, found = _found.get(place, (0.0, None))
    if found is None or time.monotonic() - then > _REMEMBERED_SECONDS:
        found = Session().get_credentials()
        _found.clear()
        _found[place] = (time.monotonic(), found)
    return found


def sign(
    key: Secret,
    *,
    service: str,
    region: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    params: list[tuple[str, str]] | None,
    body: bytes | None,
) -> dict[str, str]:
    """Return the headers of a request with its signature, version 4.

    Args:
        key: as `AwsCredentials.read` returns it.
        service: ``braket`` or ``s3``; the latter has its path encoded once and its body's hash in a header.
        region: of the service.
        method: of HTTP.
        url: without the query.
        headers: that are sent; all of them are signed.
        params: of the query.
        body: as it is sent.
    """
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    access_key, secret_key, token = json.loads(key.reveal())
    signer: Any = S3SigV4Auth if service == "s3" else SigV4Auth
    query = f"?{urlencode(params, quote_via=quote)}" if params else ""
    request = AWSRequest(method=method, url=url + query, data=body, headers=dict(headers))
    signer(Credentials(access_key, secret_key, token), service, region).add_auth(request)
    return dict(request.headers.items())
