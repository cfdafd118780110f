"""Uploading a model to the service, in parts, before a problem names it: that runs nothing and costs nothing.

Every request may be repeated. A model that was uploaded and never named is the service's to throw away.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.execution.dwave.client import SapiClient

#: Bytes of a part, as the vendor's own client cuts them.
PART_BYTES = 5 * 2**20
_PATH = "/bqm/multipart"
_UPLOAD_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def model_file(model: IsingModel) -> bytes:
    """Return a model in D-Wave's file format of binary quadratic models, version 2: spins, variables by number."""
    import dimod

    first, second = model.pairs.T
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        model.linear, (first, second, model.couplings), model.offset, dimod.SPIN
    )
    with bqm.to_file(version=2) as file:
        content: bytes = file.read()
    return content


def upload(client: SapiClient, content: bytes) -> str:
    """Upload a file and return the id by which a problem names it.

    Raises:
        Unavailable: no usable answer; beginning again is safe and may help.
        ProviderError: refused; asking again will not help.
    """
    begun = _asked(client, "POST", _PATH, json.dumps({"size": len(content)}).encode())
    upload_id = begun.get("id")
    if not isinstance(upload_id, str) or not _UPLOAD_ID.fullmatch(upload_id):
        raise Unavailable("the answer names no upload")
    place, digests = f"{_PATH}/{quote(upload_id, safe='')}", b""
    for number, first in enumerate(range(0, len(content), PART_BYTES), 1):
        part = content[first : first + PART_BYTES]
        digest = hashlib.md5(part, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(digest).decode(), "Content-Type": "application/octet-stream"}
        _asked(client, "PUT", f"{place}/part/{number}", part, headers)
        digests += digest
    whole = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    _asked(client, "POST", f"{place}/combine", json.dumps({"checksum": whole}).encode())
    return upload_id


def _asked(
    client: SapiClient, method: str, path: str, body: bytes, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = client.ask(method, path, headers=headers, body=body)
    if answer.status not in (200, 201):
        raise client.errors.refused(answer)
    found = client.errors.parsed(answer)
    return found if isinstance(found, dict) else {}
