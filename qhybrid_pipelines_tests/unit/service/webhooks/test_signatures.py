"""Signatures are those that the official library of Standard Webhooks verifies, and secrets follow from the pepper alone."""

from __future__ import annotations

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from qhybrid_pipelines.service.webhooks.signatures import pepper_mark, secret_for, shown, signature_headers

PEPPER = bytes(range(32))


def headers(*secrets: bytes, body: bytes = b'{"a":1}', at: float | None = None) -> dict[str, str]:
    return signature_headers(secrets, message_id="home/7", timestamp=int(time.time() if at is None else at), body=body)


def test_the_official_library_verifies_and_finds_what_was_changed():
    secret = secret_for(PEPPER, "w-1", 0)
    library = Webhook(shown(secret))
    assert library.verify(b'{"a":1}', headers(secret)) == {"a": 1}
    for wrong, body in (
        (headers(secret), b'{"a":2}'),
        (headers(secret) | {"webhook-id": "home/8"}, b'{"a":1}'),
        (headers(secret, at=time.time() - 3600), b'{"a":1}'),
        (headers(secret_for(PEPPER, "w-2", 0)), b'{"a":1}'),
        (headers(), b'{"a":1}'),
    ):
        with pytest.raises(WebhookVerificationError):
            library.verify(body, wrong)


def test_both_secrets_verify_while_one_follows_the_other():
    old, new = secret_for(PEPPER, "w-1", 0), secret_for(PEPPER, "w-1", 1)
    both = headers(new, old)
    assert Webhook(shown(old)).verify(b'{"a":1}', both) == Webhook(shown(new)).verify(b'{"a":1}', both)
    assert both["webhook-signature"].count("v1,") == 2


def test_a_signature_is_that_of_the_specification():
    """Figures of the official library's own documentation."""
    secret = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")._whsecret
    found = signature_headers(
        [secret], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_differ_by_home_endpoint_and_generation():
    secrets = {
        secret_for(pepper, endpoint, generation)
        for pepper in (PEPPER, b"x" * 32)
        for endpoint in ("w-1", "w-2")
        for generation in (0, 1)
    }
    assert len(secrets) == 8
    assert all(len(secret) == 32 for secret in secrets)
    assert pepper_mark(PEPPER) != pepper_mark(b"x" * 32)
    assert pepper_mark(PEPPER) not in {secret.hex()[:16] for secret in secrets}
