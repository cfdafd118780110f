"""What the machine's keeper decides about messages that leave it: whether to itself, and through which mail server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from qhybrid_pipelines.core.errors import InvalidInput

#: ``1`` allows receivers on the loopback address, for tests and for programs of this machine.
LOOPBACK_VARIABLE = "QHYBRID_WEBHOOK_LOOPBACK"
#: ``smtp://HOST:PORT``, ``smtp+starttls://USER@HOST:587`` or ``smtps://USER@HOST:465``.
MAIL_SERVER_VARIABLE = "QHYBRID_SMTP_URL"
#: Names a file with the password for it.
MAIL_PASSWORD_VARIABLE = "QHYBRID_SMTP_PASSWORD_FILE"  # noqa: S105  the name of a file
#: Who mails are from.
MAIL_SENDER_VARIABLE = "QHYBRID_SMTP_FROM"
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server that takes mails for others.

    Attributes:
        host: of the server.
        port: of the server.
        encryption: from the beginning (tls), before anything is said (starttls), or none.
        user: to sign in as; None where nobody has to.
        password: of the user.
        sender: who mails are from.
    """

    host: str
    port: int
    encryption: Literal["none", "starttls", "tls"]
    user: str | None
    password: str | None
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What is decided by whoever keeps the machine.

    Attributes:
        loopback: receivers on this machine are allowed.
        mail: the mail server; None where no mails are sent.
    """

    loopback: bool = False
    mail: MailServer | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> WebhookSettings:
        """Return the settings of the environment.

        Raises:
            InvalidInput: one of them is wrong.
        """
        loopback = environment.get(LOOPBACK_VARIABLE, "0")
        if loopback not in {"0", "1"}:
            raise InvalidInput(
                f"{loopback[:40]!r} is neither 0 nor 1", remedy="Set 1 or nothing.", field=LOOPBACK_VARIABLE
            )
        return cls(loopback=loopback == "1", mail=_mail_server(environment))


def _mail_server(environment: Mapping[str, str]) -> MailServer | None:
    url = environment.get(MAIL_SERVER_VARIABLE)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _PORTS or parts.password or parts.path.strip("/"):
        raise InvalidInput(
            "this is not the address of a mail server",
            remedy=f"Write smtp://HOST:25, smtp+starttls://USER@HOST:587 or smtps://USER@HOST:465; the password lies in the file "
            f"that {MAIL_PASSWORD_VARIABLE} names.",
            field=MAIL_SERVER_VARIABLE,
        )
    user = unquote(parts.username) if parts.username else None
    if user and parts.scheme == "smtp":
        raise InvalidInput(
            "the password would be sent unencrypted",
            remedy="Use smtp+starttls:// or smtps://.",
            field=MAIL_SERVER_VARIABLE,
        )
    sender = environment.get(MAIL_SENDER_VARIABLE, "")
    if "@" not in sender or not sender.isprintable():
        raise InvalidInput("e-mail needs a sender", remedy="Set it to an address of yours.", field=MAIL_SENDER_VARIABLE)
    return MailServer(
        host=host,
        port=port or _PORTS[parts.scheme],
        encryption="tls" if parts.scheme == "smtps" else "starttls" if parts.scheme != "smtp" else "none",
        user=user,
        password=_password(environment) if user else None,
        sender=sender,
    )


def _password(environment: Mapping[str, str]) -> str:
    path = environment.get(MAIL_PASSWORD_VARIABLE, "")
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError):
        raise InvalidInput(
            "the password of the mail server cannot be read",
            remedy="Name a file that only this user can read.",
            file=path,
            field=MAIL_PASSWORD_VARIABLE,
        ) from None
