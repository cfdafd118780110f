"""Mails through a real SMTP server of this machine: what it gets, and what its refusals are."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from qhybrid_pipelines.service.webhooks.mail_channel import MailChannel
from qhybrid_pipelines.service.webhooks.messages import event_message
from qhybrid_pipelines.service.webhooks.webhook_settings import MailServer
from qhybrid_pipelines_tests.support.browser import get_free_port
from qhybrid_pipelines_tests.unit.service.webhooks.test_messages import EVENT


class Box:
    """Takes mails, or refuses them."""

    def __init__(self) -> None:
        self.mails: list = []
        self.answer = "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  the name that aiosmtpd calls
        self.mails.append((envelope, message_from_bytes(envelope.content, policy=policy.default)))
        return self.answer


@pytest.fixture
def box():
    found = Box()
    found.port = get_free_port()
    controller = Controller(found, hostname="127.0.0.1", port=found.port)
    controller.start()
    yield found
    controller.stop()


def server(port: int) -> MailServer:
    return MailServer(
        host="127.0.0.1", port=port, encryption="none", user=None, password=None, sender="qhybrid@example.org"
    )


def send(port: int, **change):
    channel = MailChannel("ada@example.org", server(port))
    attempt = asyncio.run(channel.send(event_message("home", EVENT | change)))
    asyncio.run(channel.close())
    return attempt


def test_a_mail_says_what_has_happened_and_a_repetition_is_the_same(box):
    assert send(box.port).delivered
    assert send(box.port).delivered
    (envelope, mail), (_, again) = box.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("qhybrid@example.org", ["ada@example.org"])
    assert mail["Subject"].strip() == "qhybrid: JobResultArrivedLate: job j-1 of maxcut-small-00000000 is EXPIRED"
    assert mail["Message-ID"] == again["Message-ID"]
    assert "qhybrid jobs show j-1" in mail.get_content()
    assert mail["Auto-Submitted"] == "auto-generated"


def test_nothing_of_an_event_becomes_a_header(box):
    assert send(
        box.port, type="JobFailed", to_state="FAILED", detail={"error": "x\r\nBcc: eve@example.org\r\n\r\nhello"}
    ).delivered
    [(envelope, mail)] = box.mails
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]


def test_refusals_and_silence_are_failures(box):
    box.answer = "451 later"
    attempt = send(box.port)
    assert (attempt.delivered, attempt.problem) == (False, "The mail server answered with 451.")
    attempt = send(get_free_port())
    assert "cannot be used" in attempt.problem
    attempt = asyncio.run(MailChannel("ada@example.org", None).send(event_message("home", EVENT)))
    assert "QHYBRID_SMTP_URL is not set" in attempt.problem
