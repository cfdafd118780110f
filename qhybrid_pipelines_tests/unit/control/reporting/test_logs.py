"""One line of JSON for every step that is in the ledger, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import pytest
import structlog

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import StaleJob, Transition
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.rules import parse_policy
from qhybrid_pipelines.control.reporting.logs import (
    FIELDS,
    MAX_TEXT,
    event_logger,
    logger_from_environment,
    with_logging,
)
from qhybrid_pipelines.core.errors import InvalidInput, Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.text import redaction
from qhybrid_pipelines.core.text.redaction import redact
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def watched(ledger: SqlLedger, stream):
    return with_logging(ledger, event_logger(stream, clock=lambda: NOON))


@pytest.fixture
def dispatcher(watched, vendor: DurableVendor, tmp_path) -> Dispatcher:
    return Dispatcher(watched, {"vendor": vendor}, RawStore(tmp_path / "raw"))


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_budget_that_is_nearly_used_up_is_a_warning_of_the_job_that_uses_it(watched, ledger, tmp_path, stream):
    vendor = DurableVendor(tmp_path / "paid", price_usd=0.4)
    policy = parse_policy("budgets: {usd: 1.0, per: ever}", file="policy.yaml")
    dispatcher = Dispatcher(watched, {"vendor": vendor}, RawStore(tmp_path / "raw"), policy=policy)
    jobs = [dispatcher.submit(make_batch(seed=seed), SubmitRequest(tier="batch", budget_usd=5.0)) for seed in (1, 20)]
    [line] = [line for line in lines(stream) if line["level"] == "warning"]
    said = "all providers for all time: $0.80 of $1.00 spent or reserved (80%)"
    assert (line["job_id"], line["event"], line["warning"]) == (jobs[1].job_id, "JobPlanned", said)
    assert ledger.events(jobs[1].job_id)[0].detail["warning"] == said
    with pytest.raises(Refused, match="lets all providers for all time spend"):
        dispatcher.submit(make_batch(seed=30), SubmitRequest(tier="batch", budget_usd=5.0))
    assert len(vendor.book()) == 2


def test_every_event_of_the_ledger_is_one_line_in_its_order(dispatcher, ledger, vendor, stream):
    batch = make_batch()
    job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=5.0))
    vendor.show(job.provider_job_id, JobState.COMPLETED, cost_usd=0.5)
    dispatcher.poll([job])
    dispatcher.collect(job.job_id, batch)
    dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=5.0))  # known: no event, no line
    written = [(e.event, e.sequence, str(e.to_state), e.at.isoformat()) for e in ledger.events()]
    assert [(line["event"], line["sequence"], line["state"], line["at"]) for line in lines(stream)] == written
    for line in lines(stream):
        assert set(line) <= set(FIELDS)
        assert list(line) == [name for name in FIELDS if name in line]
        assert (line["job_id"], line["correlation_id"]) == (job.job_id, job.correlation_id)
        assert (line["experiment"], line["backend"]) == (batch.experiment, batch.backend)
        assert line["level"] == "info"


def test_what_was_not_written_is_not_told(dispatcher, watched, stream, vendor):
    vendor.price_usd = 1.0
    with pytest.raises(Refused):
        dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=0.0))
    assert lines(stream) == []
    job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    told = len(lines(stream))
    moved = Transition.single(job, Event.CANCEL, NOON)
    watched.advance(moved)
    with pytest.raises(StaleJob):
        watched.advance(moved)
    [after] = watched.advance_all([Transition.single(job, Event.FAIL, NOON)])
    assert after.state is JobState.CANCELLED
    assert len(lines(stream)) == told + 1


def test_a_failure_warns_and_hides_the_keys_of_the_process(watched, dispatcher, stream, monkeypatch, tmp_path):
    (tmp_path / "key").write_text("rotated-secret\n")
    monkeypatch.setenv("VENDOR_API_KEY", "planted-secret")
    monkeypatch.setenv("VENDOR_TOKEN_FILE", str(tmp_path / "key"))
    job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    error = "401 for planted-secret and rotated-secret, Authorization: apiKey abcdef123456 " + "x" * 5000
    watched.advance(Transition.single(job, Event.FAIL, NOON, error=error))
    line = lines(stream)[-1]
    assert (line["level"], line["state"]) == ("warning", "FAILED")
    assert len(line["error"]) <= MAX_TEXT
    assert not {"planted-secret", "rotated-secret", "abcdef123456"} & set(line["error"].replace(",", " ").split())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://ada:lovelace@host/db is away", "postgresql://[hidden]@host/db is away"),
        ('{"api_key": "abcdefgh"}', '{"api_key": "[hidden]"}'),
        ("token=abcdefgh;", "token=[hidden];"),
        ("Bearer abcdefgh.1jkl", "Bearer [hidden]"),
        ("Authorization: Basic abcdefgh", "Authorization: Basic [hidden]"),
        ("the token expired yesterday", "the token expired yesterday"),
        ("the key of the room is 7", "the key of the room is 7"),
        ("8 qubits, 1024 shots", "8 qubits, 1024 shots"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(monkeypatch, text, kept):
    # Keys that other tests of this process have used are hidden too, and one of them may end like a word in the text.
    monkeypatch.setattr(redaction, "_known_secrets", set())
    assert redact(text, {}) == kept


def test_silent_unless_asked_and_plain_about_a_wrong_word(tmp_path):
    assert logger_from_environment({}) is None
    with pytest.raises(InvalidInput, match="QHYBRID_LOG=xml is not a kind of log"):
        logger_from_environment({"QHYBRID_LOG": "xml"})
    with pytest.raises(InvalidInput, match="cannot be written"):
        logger_from_environment({"QHYBRID_LOG": "json", "QHYBRID_LOG_FILE": str(tmp_path / "no" / "log")})


def test_lines_go_to_the_error_stream_or_to_a_shared_file(ledger, vendor, tmp_path, capsys):
    file = tmp_path / "steps.log"
    to_file = logger_from_environment({"QHYBRID_LOG": "json", "QHYBRID_LOG_FILE": str(file)})
    to_stream = logger_from_environment({"QHYBRID_LOG": "json"})
    for observer in (to_file, to_stream):
        dispatcher = Dispatcher(with_logging(ledger, observer), {"vendor": vendor}, RawStore(tmp_path / "raw"))
        dispatcher.submit(make_batch(seed=1 if observer is to_file else 2), SubmitRequest(tier="batch", budget_usd=5.0))
    printed = capsys.readouterr()
    assert printed.out == ""
    in_file = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert in_file == [json.loads(line)["event"] for line in printed.err.splitlines()]
    assert in_file[-1] == "JobSubmitted"


def test_a_stream_that_fails_never_stops_a_job(ledger, vendor, tmp_path):
    stream = io.StringIO()
    observer = event_logger(stream, clock=lambda: NOON)
    stream.close()
    dispatcher = Dispatcher(with_logging(ledger, observer), {"vendor": vendor}, RawStore(tmp_path / "raw"))
    assert dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0)).state is JobState.SUBMITTED


def test_nobody_elses_logging_is_configured(stream, dispatcher):
    before = structlog.get_config(), logging.getLogger().handlers[:]
    dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    assert (structlog.get_config(), logging.getLogger().handlers[:]) == before


def test_a_homes_ledger_is_logged_when_asked_for(tmp_path, monkeypatch):
    home = Home(tmp_path).make()
    assert ControlPlane(home).ledger.observer is None
    monkeypatch.setenv("QHYBRID_LOG", "json")
    watched = ControlPlane(home).ledger
    assert watched.observer is not None
    assert watched.verify_chain().is_intact
