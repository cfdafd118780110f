"""What others wrote is shown and does nothing; a page may load nothing from elsewhere."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.service.pages import rendering
from qhybrid_pipelines.service.pages.rendering import CONTENT_SECURITY_POLICY, page, style
from qhybrid_pipelines.service.problem_documents import Problem

HOSTILE = "<script>alert(1)</script> \x1b[2J\u202e"


def test_hostile_text_is_escaped_and_spelt_out():
    problem = Problem(status=404, code="not-found", detail=HOSTILE, remedy=HOSTILE)
    found = page(
        "problem", http_status=404, principal=HOSTILE, sees_all=False, is_open=False, form_token="t", problem=problem
    )
    text = bytes(found.body).decode()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert found.status_code == 404
    assert found.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_nothing_but_ones_own_style_is_allowed():
    rules = dict(rule.strip().split(" ", 1) for rule in CONTENT_SECURITY_POLICY.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) <= {"'self'", "'none'"}
    assert "script-src" not in rules
    assert "script-src" not in rendering.REPORT_SECURITY_POLICY
    assert "url(" not in bytes(style().body).decode()


@pytest.mark.parametrize(
    ("value", "text"), [(None, "\u2013"), (0.5, "0.5 s"), (90.0, "1.5 min"), (7200.0, "2.0 h"), (200_000.0, "2.3 d")]
)
def test_seconds_in_the_unit_that_fits(value, text):
    assert rendering.seconds(value) == text


def test_money_and_states_in_words():
    assert [rendering.dollars(usd) for usd in (None, 0.0, 0.00012, 1234.5)] == [
        "\u2013",
        "$0.00",
        "$0.000120",
        "$1,234.50",
    ]
    assert rendering.words("AWAITING_APPROVAL") == "awaiting approval"
