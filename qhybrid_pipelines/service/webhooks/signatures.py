"""Secrets and signatures of messages, as Standard Webhooks 1.0.0 has them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

A secret is shown once and kept nowhere: it follows from the home's pepper, the endpoint and how often its secret was changed. Whoever
reads the file of the endpoints cannot sign anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def secret_for(pepper: bytes, endpoint: str, generation: int) -> bytes:
    """Return the secret of an endpoint, 32 bytes.

    Args:
        pepper: of the home.
        endpoint: its id.
        generation: how often it was changed.
    """
    return hmac.new(pepper, f"qhybrid webhook secret {endpoint} {generation}".encode(), hashlib.sha256).digest()


def shown(secret: bytes) -> str:
    """Return a secret as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secret).decode()


def pepper_mark(pepper: bytes) -> str:
    """Return what tells whether a pepper is the one that secrets were made with, and nothing else about it."""
    return hmac.new(pepper, b"qhybrid webhook pepper", hashlib.sha256).hexdigest()[:16]


def signature_headers(secrets: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that let a receiver tell who sent a message, and that nobody has changed it.

    Args:
        secrets: the one in use, and its predecessor as long as receivers may still have that.
        message_id: the same for every repetition.
        timestamp: of this attempt, seconds of the epoch.
        body: as it is sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
