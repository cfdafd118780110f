"""Spans against a real receiver: an HTTP server on loopback that reads OTLP protobuf as a collector does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.reporting.ledger_tables import latency
from qhybrid_pipelines.control.reporting.spans import export_finished_jobs, exporter_from_environment, trace_id_for
from qhybrid_pipelines.control.reporting.time_intervals import time_intervals
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.fake_clock import FakeClock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def noon_plus(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Collector:
    """Keeps every span that it was sent; answers with ``status``."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.spans, self.resources, self.requests, self.status = [], [], [], 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, self.headers["Content-Type"]))
                if collector.status == 200:
                    told = ExportTraceServiceRequest.FromString(body)
                    for of_resource in told.resource_spans:
                        collector.resources.append(
                            {a.key: a.value.string_value for a in of_resource.resource.attributes}
                        )
                        for of_scope in of_resource.scope_spans:
                            collector.spans += of_scope.spans
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def send(ledger: SqlLedger, collector: Collector, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    (tmp_path / "locks").mkdir()

    def send():
        exporter = exporter_from_environment()
        sent = export_finished_jobs(
            ledger, exporter, position_file=tmp_path / "spans.position", locks=tmp_path / "locks", tmp=tmp_path / "tmp"
        )
        exporter.shutdown()
        return sent

    return send


@pytest.fixture
def finished_jobs(ledger: SqlLedger, vendor: DurableVendor, tmp_path):
    """Run jobs to their ends: asked 2 s before noon, queued at +1, started at +31, done at +41, fetched at +63."""

    def write_job_history(*seeds: int, ends=JobState.COMPLETED):
        clock = FakeClock()
        dispatcher = Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), clock=clock.clock)
        jobs = []
        for seed in seeds:
            clock.at, batch = NOON, make_batch(seed=seed)
            job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=5.0, requested_at=noon_plus(-2)))
            times = {"submitted_at": noon_plus(1), "started_at": noon_plus(31), "completed_at": noon_plus(41)}
            vendor.show(job.provider_job_id, ends, cost_usd=0.5, **times)
            clock.at = noon_plus(63)
            [job] = dispatcher.poll([job])
            if ends is JobState.FAILED:  # believed when it is reported a second time
                clock.at = noon_plus(93)
                dispatcher.poll([job])
            if ends is JobState.COMPLETED:
                dispatcher.collect(job.job_id, batch)
            jobs.append(ledger.job(job.job_id))
        return jobs

    return write_job_history


def seconds(span) -> tuple[float, float]:
    start = NOON.timestamp()
    return round(span.start_time_unix_nano / 1e9 - start, 3), round(span.end_time_unix_nano / 1e9 - start, 3)


def test_a_finished_job_is_one_trace_with_the_ledgers_times(finished_jobs, send, collector, ledger):
    [job] = finished_jobs(1)
    sent = send()
    assert (sent.jobs, sent.complete) == (1, True)
    assert collector.requests == [("/v1/traces", "application/x-protobuf")]
    found = {span.name: span for span in collector.spans}
    assert len(found) == len(collector.spans) == sent.spans
    assert {"qhybrid.job", "qhybrid.queue", "qhybrid.execute", "qhybrid.fetch", "qhybrid.interpret"} <= set(found)
    assert seconds(found["qhybrid.queue"]) == (1, 31)
    assert seconds(found["qhybrid.execute"]) == (31, 41)
    assert seconds(found["qhybrid.fetch"]) == (41, 63)
    assert seconds(found["qhybrid.job"])[0] == seconds(found["qhybrid.orchestrate"])[0] == -2
    root = found.pop("qhybrid.job")
    assert root.parent_span_id == b""
    for span in found.values():
        assert span.parent_span_id == root.span_id
        assert span.trace_id == root.trace_id
        assert seconds(root)[0] <= seconds(span)[0] <= seconds(span)[1] <= seconds(root)[1]
    assert int.from_bytes(root.trace_id) == trace_id_for(job.correlation_id)
    assert root.trace_id.hex().endswith(job.correlation_id[1:])
    attributes = {a.key: a.value for a in root.attributes}
    assert attributes["qhybrid.job_id"].string_value == job.job_id
    assert attributes["qpu.cost_usd"].double_value == 0.5
    assert collector.resources[0]["service.name"] == "qhybrid-pipelines"


def test_the_bars_are_as_long_as_the_table_of_latencies_says(finished_jobs, ledger):
    [job] = finished_jobs(1)
    events = ledger.events(job.job_id)
    parts, found = latency(job, events), {interval.name: interval for interval in time_intervals(job, events)}
    assert found["queue"].seconds == parts.queue_seconds
    assert found["execute"].seconds == parts.execute_seconds
    assert found["fetch"].seconds == parts.fetch_seconds
    assert found["orchestrate"].seconds == parts.network_seconds + parts.orchestration_seconds
    provider = sum(interval.seconds for interval in found.values() if interval.by_provider)
    assert provider == parts.provider_seconds


def test_every_span_is_sent_once_and_jobs_that_have_not_ended_wait(finished_jobs, send, collector):
    finished_jobs(1, 2)
    finished_jobs(3, ends=JobState.RUNNING)
    assert send().jobs == 2
    assert (send().jobs, len(collector.requests)) == (0, 1)
    finished_jobs(4)
    assert send().jobs == 1
    ids = [span.span_id for span in collector.spans]
    assert len(set(ids)) == len(ids)
    assert sum(span.name == "qhybrid.job" for span in collector.spans) == 3


def test_a_collector_that_refuses_gets_the_same_spans_the_next_time(finished_jobs, send, collector, tmp_path):
    finished_jobs(1)
    collector.status = 400
    assert not send().complete
    assert not (tmp_path / "spans.position").exists()
    collector.status = 200
    assert (send().jobs, send().jobs) == (1, 0)


def test_a_failed_job_is_an_error_in_its_trace(finished_jobs, send, collector):
    finished_jobs(1, ends=JobState.FAILED)
    send()
    [root] = [span for span in collector.spans if span.name == "qhybrid.job"]
    assert root.status.code == 2
    assert root.status.message == "FAILED"


def test_no_collector_no_exporter(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert exporter_from_environment() is None


def test_a_collector_without_the_package_that_speaks_to_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InvalidInput, match=r"Install qhybrid-pipelines\[otel\]"):
        exporter_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
