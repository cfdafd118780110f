"""What the machine's keeper decides is read from the environment, and what is wrong there is said before anything is sent."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.webhooks.webhook_settings import WebhookSettings

FROM = {"QHYBRID_SMTP_FROM": "qhybrid@example.org"}


def test_nothing_is_allowed_by_default():
    assert WebhookSettings.from_environment({}) == WebhookSettings(loopback=False, mail=None)
    assert WebhookSettings.from_environment({"QHYBRID_WEBHOOK_LOOPBACK": "1"}).loopback


def test_a_mail_server_with_a_password_in_a_file(tmp_path):
    (tmp_path / "word").write_text("open sesame\n")
    fields = {
        "QHYBRID_SMTP_URL": "smtp+starttls://ada%40x@mx.example.org",
        "QHYBRID_SMTP_PASSWORD_FILE": str(tmp_path / "word"),
    }
    server = WebhookSettings.from_environment(FROM | fields).mail
    assert server is not None
    assert (server.host, server.port, server.encryption) == ("mx.example.org", 587, "starttls")
    assert (server.user, server.password) == ("ada@x", "open sesame")
    plain = WebhookSettings.from_environment(FROM | {"QHYBRID_SMTP_URL": "smtp://127.0.0.1:2525"}).mail
    assert plain is not None
    assert (plain.port, plain.user, plain.encryption) == (2525, None, "none")


@pytest.mark.parametrize(
    "fields",
    [
        {"QHYBRID_WEBHOOK_LOOPBACK": "yes"},
        {"QHYBRID_SMTP_URL": "http://mx.example.org"} | FROM,
        {"QHYBRID_SMTP_URL": "smtp://"} | FROM,
        {"QHYBRID_SMTP_URL": "smtp://mx:port"} | FROM,
        {"QHYBRID_SMTP_URL": "smtps://ada:word@mx"} | FROM,
        {"QHYBRID_SMTP_URL": "smtp://ada@mx"} | FROM,
        {"QHYBRID_SMTP_URL": "smtps://ada@mx", "QHYBRID_SMTP_PASSWORD_FILE": "/nowhere"} | FROM,
        {"QHYBRID_SMTP_URL": "smtp://mx"},
        {"QHYBRID_SMTP_URL": "smtp://mx", "QHYBRID_SMTP_FROM": "a@b\r\nBcc: c@d"},
    ],
)
def test_what_is_wrong_is_named(fields):
    with pytest.raises(InvalidInput) as caught:
        WebhookSettings.from_environment(fields)
    assert caught.value.field in {*fields, "QHYBRID_SMTP_FROM"}
    assert "ada:word" not in str(caught.value)
