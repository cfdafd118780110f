"""Messages are CloudEvents by the official library, the same every time, and small."""

from __future__ import annotations

import json
import re

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES
from qhybrid_pipelines.service.webhooks import messages

EVENT = {
    "position": 41,
    "type": "JobResultArrivedLate",
    "job": "j-1",
    "experiment": "maxcut-small-00000000",
    "sequence": 9,
    "from_state": "EXPIRED",
    "to_state": "EXPIRED",
    "at": "2026-05-01T12:00:00.123456+00:00",
    "clock": "vendor",
    "raw_status": "späť",
    "detail": {"why": "x"},
}


def test_the_official_library_reads_what_was_meant():
    message = messages.event_message("0123456789abcdef", EVENT)
    headers = {"content-type": messages.MEDIA_TYPE}
    event = from_http_event(HTTPMessage(headers=headers, body=message.body))
    assert event.get_id() == message.id == "0123456789abcdef/41"
    assert event.get_type() == "qhybrid.job.result_arrived_late.v1"
    assert (event.get_subject(), event.get_source()) == ("j-1", "/qhybrid/0123456789abcdef")
    assert event.get_time().isoformat() == EVENT["at"]
    assert event.get_data() == EVENT
    assert event.get_extension("sequence") == "00000000000000000041"


def test_a_message_is_the_same_every_time_and_of_its_jobs_lane():
    one, two = (messages.event_message("h", dict(EVENT)) for _ in range(2))
    assert one.body == two.body
    assert (one.lane, one.position) == ("j-1", 41)


def test_every_event_has_a_type_of_its_own():
    assert set(messages.EVENT_TYPES.values()) == set(EVENT_NAMES.values())
    assert len(messages.EVENT_TYPES) == len(set(EVENT_NAMES.values()))
    assert all(re.fullmatch(r"qhybrid\.job\.[a-z_]+\.v1", kind) for kind in messages.EVENT_TYPES)


@pytest.mark.parametrize("extra", [{"detail": {"why": "x" * 30_000}}, {"raw_status": "y" * 30_000}])
def test_what_is_too_long_is_left_to_its_address(extra):
    message = messages.event_message("h", EVENT | extra)
    assert len(message.body) < messages.MAX_BODY_BYTES
    assert json.loads(message.body)["data"]["detail"] is None
    assert json.loads(message.body)["data"]["job"] == "j-1"


def test_a_notice_is_a_cloud_event_too():
    message = messages.notice_message(
        "h", kind=messages.PING, number="w-1/ping", subject="w-1", at=EVENT["at"], data={"endpoint": "w-1"}
    )
    event = from_http_event(HTTPMessage(headers={"content-type": messages.MEDIA_TYPE}, body=message.body))
    assert (event.get_type(), event.get_id()) == (messages.PING, "h/webhooks/w-1/ping")
