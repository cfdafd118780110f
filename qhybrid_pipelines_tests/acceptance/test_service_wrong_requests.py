"""Wrong requests to the HTTP service: each is refused with its field and a remedy, opens no file, and costs its sender only."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from qhybrid_pipelines.service.intake.json_bodies import MAX_BODY_BYTES
from qhybrid_pipelines_tests.acceptance.test_service import rows
from qhybrid_pipelines_tests.support.running_service import KARATE, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "home") as running:
        yield running


class TestWrong:
    PATHS = (
        "/etc/passwd",
        "../../etc/passwd",
        "/proc/self/environ",
        "file:///etc/passwd",
        "~/.ssh/id_rsa",
        "graph.mc",
        "ledger.db",
        "inbox/x.mc",
        "\\\\host\\share",
        "",
        ".",
        "//etc/passwd",
        "/dev/zero",
        "networkx",
        "NETWORKX:karate_club",
    )

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("where", ["problem.source", "problem.circuit", "dataset.source"])
    def test_a_path_is_never_looked_for(self, service, path, where):
        part, name = where.split(".")
        specification = {
            "name": "x",
            "problem": {"family": "portfolio", "source": "networkx:bull", "format": "orlib_port"},
        }
        if part == "dataset":
            specification = {"name": "x", "kind": "qml", "dataset": {"target": "y"}}
        specification[part][name] = path
        for answer in (service.post(specification), service.estimate(specification)):
            assert is_problem(answer, 422, "invalid-input")
            assert answer.json()["field"] == f"specification.{where}"

    def test_no_file_is_opened(self, service, tmp_path):
        """A pipe tells when somebody opens it, however briefly; the inbox's own door is the control."""
        pipe = tmp_path / "graph.mc"
        os.mkfifo(pipe)
        opened = threading.Event()

        def watch() -> None:
            descriptor = os.open(pipe, os.O_WRONLY)
            opened.set()
            os.close(descriptor)

        threading.Thread(target=watch, daemon=True).start()
        specification = {"name": "x", "problem": {"family": "maxcut", "source": str(pipe)}}
        assert service.post(specification).status_code == 422
        assert service.estimate(specification).status_code == 422
        assert not opened.wait(1.0)
        with pipe.open("rb"):
            assert opened.wait(5.0)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"lineage": {"round": 3, "parent": "maxcut-small-00000000"}}, "specification.lineage"),
            ({"vary": {"shots": [1, 2]}}, "specification.vary"),
            ({"shots": "many"}, "shots"),
            ({"shots": True}, "shots"),
            ({"shots": 0}, "shots"),
            ({"shotz": 3}, "shotz"),
            ({"problem": {"family": "nothing", "source": "networkx:bull"}}, "problem.family"),
            ({"problem": {"family": "maxcut", "source": "networkx:nothing"}}, "problem.source"),
            ({"problem": []}, "problem"),
            ({"name": "../x"}, "name"),
            ({"backends": ["nobody:nothing"]}, "backends"),
            (
                {"problem": {"family": "maxcut", "source": {"file": "x", "sha256": "0" * 64}}},
                "specification.problem.source",
            ),
            ({"owner": 3}, "owner"),
        ],
    )
    def test_a_wrong_field_is_named(self, service, change, field):
        before = len(rows(service))
        answer = service.post({**KARATE, **change})
        assert is_problem(answer, 422, "invalid-input")
        assert answer.json()["field"] == field
        assert len(rows(service)) == before

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "bad-request"),
            (b"{", 400, "bad-request"),
            (b"name: x", 400, "bad-request"),
            (b"\xff\xfe", 400, "bad-request"),
            (b'{"specification": {"shots": NaN}}', 400, "bad-request"),
            (b'{"specification": {"shots": 1e999}}', 400, "bad-request"),
            (b'{"specification": {"shots": ' + b"9" * 5000 + b"}}", 400, "bad-request"),
            (b'{"specification": {}, "specification": {}}', 400, "bad-request"),
            (b'{"specification": {"name": "\\ud800"}}', 400, "bad-request"),
            (b"[" * 100_000, 422, "invalid-input"),
            (b'{"a":' * 50_000, 422, "invalid-input"),
            (b'{"specification": ' + b"[" * 30 + b"]" * 30 + b"}", 422, "invalid-input"),
            (b"[]", 422, "invalid-input"),
            (b"3", 422, "invalid-input"),
            (b'{"specification": 3}', 422, "invalid-input"),
            (b'{"specification": {}, "extra": 1}', 422, "invalid-input"),
            (b'{"specification": {}, "files": {"../x": ""}}', 422, "invalid-input"),
            (b'{"specification": {}, "files": {"x": 3}}', 422, "invalid-input"),
            (b'{"specification": {}, "files": {"x": "unused"}}', 422, "invalid-input"),
            (b" " * (MAX_BODY_BYTES + 1), 413, "too-large"),
            (b" " * 3_000_000, 413, "too-large"),
        ],
        ids=lambda value: value[:24] if isinstance(value, bytes) else None,
    )
    def test_a_wrong_body_is_refused(self, service, body, status, code):
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        for path in ("/v1/experiments", "/v1/estimates"):
            answer = service.client.post(path, content=body, headers=headers)
            assert is_problem(answer, status, code)

    def test_a_body_without_a_length_is_bounded_too(self, service):
        def pieces() -> Iterator[bytes]:
            for _ in range(60):
                yield b" " * 10_000

        answer = service.client.post(
            "/v1/experiments",
            content=pieces(),
            headers={"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
        )
        assert is_problem(answer, 413, "too-large")

    def test_only_json_is_read(self, service):
        for media_type in ("text/plain", "application/yaml", "multipart/form-data", "application/jsonx", ""):
            answer = service.client.post(
                "/v1/experiments", content=b"{}", headers={"Content-Type": media_type, "Idempotency-Key": "x"}
            )
            assert is_problem(answer, 415, "media-type")

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/", 404, "not-found"),
            ("GET", "/v1/experiments/", 404, "not-found"),
            ("GET", "/v1/experiments/..%2f..%2fetc", 404, "not-found"),
            ("GET", "/v1/experiments/nothing-00000000", 404, "not-found"),
            ("GET", "/v1/experiments/nothing-00000000/results", 404, "not-found"),
            ("GET", "/v1/jobs/nothing", 404, "not-found"),
            ("GET", "/v1/jobs?experiment=nothing-00000000", 404, "not-found"),
            ("DELETE", "/v1/experiments", 405, "method-not-allowed"),
            ("OPTIONS", "/v1/experiments", 405, "method-not-allowed"),
            ("PUT", "/livez", 405, "method-not-allowed"),
            ("GET", "/v1/jobs?limit=0", 400, "bad-request"),
            ("GET", "/v1/jobs?limit=201", 400, "bad-request"),
            ("GET", "/v1/jobs?limit=x", 400, "bad-request"),
            ("GET", "/v1/jobs?limt=3", 400, "bad-request"),
            ("GET", "/v1/jobs?limit=3&limit=4", 400, "bad-request"),
            ("GET", "/v1/jobs?cursor=%00", 400, "bad-request"),
            ("GET", "/v1/experiments?cursor=x", 400, "bad-request"),
            ("GET", "/v1/events?after=-1", 400, "bad-request"),
            ("GET", "/v1/events?after=99999999999999999999", 400, "bad-request"),
            ("GET", "/v1/events?type=JobDreamt", 400, "bad-request"),
        ],
    )
    def test_a_wrong_address_is_refused(self, service, method, path, status, code):
        answer = service.client.request(method, path)
        assert is_problem(answer, status, code)
        assert "Input should" not in answer.json()["detail"]
        if status == 405:
            assert "GET" in answer.headers["allow"]

    def test_what_is_expensive_costs_its_sender_only(self, service):
        """A generator within the inbox's bounds takes five seconds of a processor; others are answered meanwhile."""
        heavy = {
            "name": "heavy",
            "problem": {"family": "maxcut", "source": {"generator": "erdos_renyi", "nodes": 2000, "probability": 1.0}},
        }
        with ThreadPoolExecutor(2) as pool:
            refused = [pool.submit(service.post, {**heavy, "seed": seed}) for seed in range(2)]
            slowest = 0.0
            while not all(one.done() for one in refused):
                began = time.monotonic()
                assert service.client.get("/livez").status_code == 200
                slowest = max(slowest, time.monotonic() - began)
        for one in refused:
            assert is_problem(one.result(), 422, "invalid-input")
            assert "more than 2 s" in one.result().json()["detail"]
        assert service.post({**KARATE, "seed": 77}).status_code == 202

    def test_what_is_not_http_is_told_so(self, service):
        host, port = service.url.removeprefix("http://").split(":")
        for sent, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET /" + b"x" * 20_000, b"431")):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(sent)
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
            assert answer.startswith(b"HTTP/1.1 " + status), answer
            assert b"application/problem+json" in answer
