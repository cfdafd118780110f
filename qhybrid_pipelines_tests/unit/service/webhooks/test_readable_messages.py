"""What people read is one harmless line, and says what happened to which job."""

from __future__ import annotations

from qhybrid_pipelines.service.webhooks.messages import DISABLED, PING, event_message, notice_message, upgrade_message
from qhybrid_pipelines.service.webhooks.readable_messages import chat_line, one_line, paragraphs
from qhybrid_pipelines_tests.unit.service.webhooks.test_messages import EVENT


def fields(**change):
    return event_message("h", EVENT | change).fields


def test_a_chat_shows_no_mention_and_no_link_of_others():
    line = chat_line(fields(detail={"error": "<!channel> <https://evil.example|click> \x1b[2J\nnext"}))
    assert "<" not in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert line.endswith("&lt;!channel&gt; &lt;https://evil.example|click&gt; \\x1b[2J next")


def test_a_line_and_a_mail_name_job_state_and_experiment():
    for text in (one_line(fields()), paragraphs(fields())):
        assert all(word in text for word in ("j-1", "maxcut-small-00000000", "EXPIRED"))


def test_notices_are_sentences():
    made = {
        kind: notice_message(
            "h",
            kind=kind,
            number="1",
            subject="w-1",
            at="2026",
            data={"endpoint": "w-1", "principal": "ada", "reason": "Gone."},
        ).fields
        for kind in (PING, DISABLED)
    }
    assert "from now on" in one_line(made[PING])
    assert "w-1 of ada is told nothing any more: Gone." in one_line(made[DISABLED])
    assert "JobId" not in paragraphs(made[PING])


def test_an_upgrade_names_its_decision_and_what_changed():
    upgrade = {
        "number": 3,
        "type": "DecisionUpgraded",
        "decision": "d-1",
        "at": "2026-05-01T12:00:00+00:00",
        "subject": "depot 7",
        "version": 2,
        "source": "local:auto",
        "objective": 8.25,
        "previous_objective": None,
    }
    message = upgrade_message("h", upgrade)
    assert (message.id, message.lane, message.position) == ("h/decisions/3", "d-1", None)
    for text in (one_line(message.fields), paragraphs(message.fields)):
        assert "d-1 about depot 7 is version 2 now: 8.25 by local:auto instead of nothing" in text
