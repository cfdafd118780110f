"""Canaries: a backend that gives no result is a finding about that backend, and keeps nobody else from being looked at."""

from __future__ import annotations

import json

from qhybrid_pipelines.control.backend_monitoring.canary_jobs import check_bit_orders
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.storage.layout import Home


def test_a_backend_without_an_answer_is_a_finding_and_the_others_are_asked(tmp_path):
    home = Home(tmp_path).make()
    plan = home.providers / "chaos" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"seed": 1, "faults": [{"on": "fetch", "fault": "unavailable", "times": 1000}]}))
    check = check_bit_orders(ControlPlane(home))
    assert check.unanswered
    assert not check.wrong
    assert all(finding.startswith("chaos:local.") and "canary has no result" in finding for finding in check.unanswered)
