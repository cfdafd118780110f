"""Every command of docs/service.md runs against a real service and answers what the page says; so does a fuzzer's description."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.running_service import RunningService

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "service.md").read_text("utf-8")
#: What is said of decisions stands on a page of its own, whose commands acceptance/test_docs_commands_run.py runs.
DECISIONS = (ROOT / "docs" / "decisions.md").read_text("utf-8")
WEBHOOKS = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
#: Answers that have no end.
STREAMS = ("/v1/events/stream", "/v1/decision-upgrades/stream")
CURLS = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "curl" in block]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "home", "--decisions") as running:
        yield running


def commands() -> list[str]:
    """Return the commands of the page, each with its continued lines."""
    return [
        command for block in CURLS for command in re.findall(r"^curl (?:.*\\\n|.*'\{[^']*\n)*.*$", block, re.MULTILINE)
    ]


@pytest.mark.parametrize("command", commands(), ids=lambda text: " ".join(text.split())[:60])
def test_a_command_of_the_page_is_answered(service, command):
    here = command.replace("http://127.0.0.1:8800", service.url)
    if "events/stream" in here:
        done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("retry: ")
        return
    done = subprocess.run(["bash", "-c", f"{here} -w '\\n%{{http_code}}'"], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    assert status in ("200", "201", "202"), done.stdout
    if " -si " in command:
        head, _, body = body.replace("\r\n", "\n").partition("\n\n")
        accepted = json.loads(body)
        assert f"location: {accepted['href']}" in head
        assert accepted["experiment"] in PAGE
    json.loads(body)


def test_the_page_has_its_commands():
    assert len(commands()) == 8


def test_every_route_of_the_description_is_on_the_page():
    description = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    written = {"{key}": "KEY", "{job}": "ID", "{decision}": "DECISION", "{endpoint}": "ID", "{sha256}": "{sha256}"}
    named = {re.sub(r"\{\w+\}", lambda found: written[found[0]], path) for path in description["paths"]}
    assert [path for path in named if path not in PAGE + DECISIONS + WEBHOOKS] == []


@pytest.mark.parametrize("examples", others_are_long([20, 60], 20))
def test_a_fuzzer_finds_nothing(service, tmp_path, examples):
    """Schemathesis sends what the description allows and what it does not, and compares each answer with it.

    One of its checks is left out: that whatever fits the description is accepted. A specification means more than its form says.
    So are the streams, which have no end; `test_service_events` and `test_service_decisions` read them.
    """
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", str(ROOT / "docs" / "openapi.json"), "--url", service.url, "--checks", "all"),
            *(
                "--exclude-checks",
                "positive_data_acceptance",
                "--max-examples",
                str(examples),
                "--seed",
                "7",
                "--no-color",
            ),
            *(word for path in STREAMS for word in ("--exclude-path", path)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Traceback" not in service.log
