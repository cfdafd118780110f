"""Signatures of AWS requests, version 4, checked: the emulator's key is the secret of every access key.

Written from the published description, and apart from botocore, which signs on the other side.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,]+/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


def is_signed_with(
    secret: str, *, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Return whether a request was signed with a secret.

    Args:
        secret: the secret access key.
        method: of HTTP.
        raw_path: as it was sent.
        query: as it was sent.
        headers: with names in lower case.
        body: as it was sent.
    """
    parts = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if parts is None:
        return False
    day, region, service, names, signature = parts.groups()
    signed = names.split(";")
    if "host" not in signed or any(name not in headers for name in signed):
        return False
    # S3 encodes a path once, every other service twice.
    path = quote(unquote(raw_path), safe="/~") if service == "s3" else quote(raw_path, safe="/~")
    pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in parse_qsl(query, keep_blank_values=True))
    payload = headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        return False
    request = "\n".join(
        (
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            names,
            payload,
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    moment = headers.get("x-amz-date", "")
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature)
