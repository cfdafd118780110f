"""Messages by mail, through the server of the settings (SMTP). A repetition has the same Message-ID, so that readers show it once."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import formatdate

from qhybrid_pipelines.service.webhooks.channels import DEADLINE_SECONDS, LANES
from qhybrid_pipelines.service.webhooks.delivery_schedule import Attempt
from qhybrid_pipelines.service.webhooks.messages import Message
from qhybrid_pipelines.service.webhooks.readable_messages import one_line, paragraphs
from qhybrid_pipelines.service.webhooks.webhook_settings import MailServer

MAX_SUBJECT_LENGTH = 120


class MailChannel:
    """Sends mails.

    Args:
        address: of the receiver.
        server: that takes them; None where the settings name none.
    """

    def __init__(self, address: str, server: MailServer | None) -> None:
        self._address, self._server = address, server
        # Its own threads: a mail server that hangs holds up mails, and nothing else.
        self._threads = ThreadPoolExecutor(LANES, thread_name_prefix="webhook-mail")

    async def send(self, message: Message) -> Attempt:
        """Make one attempt."""
        if self._server is None:
            return Attempt(delivered=False, problem="This service has no mail server: QHYBRID_SMTP_URL is not set.")
        try:
            written = mail(self._address, self._server.sender, message)
            await asyncio.get_running_loop().run_in_executor(self._threads, _send, self._server, written)
        except smtplib.SMTPResponseException as error:
            return Attempt(delivered=False, problem=f"The mail server answered with {error.smtp_code}.")
        except (smtplib.SMTPException, OSError) as error:
            return Attempt(delivered=False, problem=f"The mail server cannot be used ({type(error).__name__}).")
        return Attempt(delivered=True)

    async def close(self) -> None:
        """Begin no more mails."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def mail(address: str, sender: str, message: Message) -> EmailMessage:
    """Return a message as a mail."""
    found = EmailMessage()
    found["From"], found["To"] = sender, address
    found["Subject"] = one_line(message.fields)[:MAX_SUBJECT_LENGTH]
    found["Date"] = formatdate(usegmt=True)
    digest = hashlib.sha256(f"{message.id} {address}".encode()).hexdigest()[:32]
    found["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2].strip('> ')}>"
    found["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of machines
    found.set_content(paragraphs(message.fields))
    return found


def _send(server: MailServer, message: EmailMessage) -> None:
    context = ssl.create_default_context()
    connection: smtplib.SMTP
    if server.encryption == "tls":
        connection = smtplib.SMTP_SSL(server.host, server.port, timeout=DEADLINE_SECONDS, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=DEADLINE_SECONDS)
    with connection:
        if server.encryption == "starttls":
            connection.starttls(context=context)
        if server.user is not None:
            connection.login(server.user, server.password or "")
        connection.send_message(message)
