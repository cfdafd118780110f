"""Messages to receivers: CloudEvents 1.0 in structured mode, byte for byte the same however often one is made.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

The id of an event is its place in the ledger, ``<home>/<position>``: a receiver that keeps the ids it has seen takes each event once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES

MEDIA_TYPE = "application/cloudevents+json"
#: Receivers and what lies before them refuse large bodies; Standard Webhooks recommends less than this.
MAX_BODY_BYTES = 20_000
PING, DISABLED = "qhybrid.webhook.ping.v1", "qhybrid.webhook.disabled.v1"
UPGRADED = "qhybrid.decision.upgraded.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.

    Attributes:
        id: the same for every repetition.
        lane: messages of one lane are sent one after the other; that of an event is its job.
        position: of the event in the ledger; None for what is not an event of a job.
        body: as it is sent.
        fields: the same as values, for forms that people read.
    """

    id: str
    lane: str
    position: int | None
    body: bytes
    fields: Mapping[str, Any]


def event_type(name: str) -> str:
    """Return the type of an event by its name: JobCompleted is ``qhybrid.job.completed.v1``."""
    return f"qhybrid.job.{re.sub(r'(?<!^)(?=[A-Z])', '_', name.removeprefix('Job')).lower()}.v1"


#: Type -> name, as /v1/events has it.
EVENT_TYPES: Mapping[str, str] = {event_type(name): name for name in dict.fromkeys(EVENT_NAMES.values())}


def event_message(home_id: str, event: Mapping[str, Any]) -> Message:
    """Return the message about an event.

    Args:
        home_id: of the home.
        event: its fields, as `service.resources.event_fields` makes them.
    """
    position = int(event["position"])
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{home_id}/{position}",
        "source": f"/qhybrid/{home_id}",
        "type": event_type(event["type"]),
        "subject": event["job"],
        "time": event["at"],
        "datacontenttype": "application/json",
        # Compared as text by its specification, therefore of one length.
        "sequence": f"{position:020d}",
        "data": dict(event),
    }
    body = _body(fields)
    if len(body) > MAX_BODY_BYTES:  # the whole one is at its job's address
        fields["data"] = {**event, "detail": None, "raw_status": None}
        body = _body(fields)
    return Message(id=fields["id"], lane=event["job"], position=position, body=body, fields=fields)


def notice_message(home_id: str, *, kind: str, number: str, subject: str, at: str, data: Mapping[str, Any]) -> Message:
    """Return a message that is about an endpoint and not about a job.

    Args:
        home_id: of the home.
        kind: `PING` or `DISABLED`.
        number: what it is told apart by.
        subject: id of the endpoint.
        at: ISO 8601, UTC.
        data: what else there is to say.
    """
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{home_id}/webhooks/{number}",
        "source": f"/qhybrid/{home_id}",
        "type": kind,
        "subject": subject,
        "time": at,
        "datacontenttype": "application/json",
        "data": dict(data),
    }
    return Message(id=fields["id"], lane="", position=None, body=_body(fields), fields=fields)


def upgrade_message(home_id: str, upgrade: Mapping[str, Any]) -> Message:
    """Return the message about the upgrade of a decision.

    Args:
        home_id: of the home.
        upgrade: its fields, as `service.decisions.upgrade_log.read_upgrades` makes them.
    """
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{home_id}/decisions/{upgrade['number']}",
        "source": f"/qhybrid/{home_id}",
        "type": UPGRADED,
        "subject": upgrade["decision"],
        "time": upgrade["at"],
        "datacontenttype": "application/json",
        "data": dict(upgrade),
    }
    return Message(id=fields["id"], lane=upgrade["decision"], position=None, body=_body(fields), fields=fields)


def _body(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
