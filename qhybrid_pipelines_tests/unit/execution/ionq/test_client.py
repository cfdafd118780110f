"""What failures of the vendor's interface mean, request by request; and that no message holds the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.http.transport import RequestLimits
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.port import calling
from qhybrid_pipelines_tests.support.scripted_server import closed_port, raw_server, reply, scripted_server

KEY = "planted-7d1e-key"
SHORT = RequestLimits(connect_seconds=0.5, read_seconds=0.3, total_seconds=0.6)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    monkeypatch.delenv("IONQ_API_KEY_FILE", raising=False)


@pytest.fixture
def at(monkeypatch):
    def lead(url: str) -> IonQClient:
        monkeypatch.setenv("IONQ_API_URL", url)
        return IonQClient(limits=SHORT)

    return lead


HTML = b"<html><body>Bad gateway</body></html>"
ECHO = {"error": "Unauthorized", "message": f"Invalid key apiKey {KEY} provided.", "statusCode": 401}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply({"message": "too many qubits"}, 400), Rejected),
        (reply({"message": "no"}, 402), Rejected),
        (reply({"message": "no such path"}, 404), Rejected),
        (reply({"message": "conflict"}, 409), Rejected),
        (reply(ECHO, 401), Throttled),
        (reply(ECHO, 403), Throttled),
        (reply({}, 429), Throttled),
        (reply(HTML, 429), Throttled),
        (reply({}, 408), Ambiguous),
        (reply({}, 500), Ambiguous),
        (reply(HTML, 502), Ambiguous),
        (reply({}, 503), Ambiguous),
        (reply(HTML, 504), Ambiguous),
        (reply({}, 524), Ambiguous),
        (reply({}, 301, Location="https://elsewhere.example"), Ambiguous),
        (reply(HTML), Ambiguous),
        (reply(b'{"id": "abc'), Ambiguous),
        (reply(b""), Ambiguous),
        (reply({}, 201), Ambiguous),
        (reply({"id": None}, 201), Ambiguous),
        (reply({"id": "../../jobs"}, 201), Ambiguous),
        (reply(["id"], 201), Ambiguous),
        (reply({"id": "abc"}, 202), Ambiguous),
    ],
)
def test_a_submission_is_one_request_and_its_failure_has_one_meaning(answer, error, at):
    with scripted_server(lambda *_: answer) as server:
        client = at(server.url)
        with pytest.raises(ProviderError) as caught:
            client.submit_request(b"{}")
    assert type(caught.value) is error
    assert len(server.asked) == client.requests == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [200, 201])
def test_an_accepted_job_has_its_id_whatever_else_stands_there(status, at):
    with scripted_server(
        lambda *_: reply({"id": "a1b2-c3", "status": "submitted", "session_id": None, "new": 1}, status)
    ) as server:
        assert at(server.url).submit_request(b'{"shots":1}') == "a1b2-c3"
        assert server.asked == [("POST", "/jobs", {})]
        assert server.authorizations == [f"apiKey {KEY}"]
        assert server.bodies == [b'{"shots":1}']


def test_nobody_there_means_nothing_was_accepted(at):
    client = at(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(Throttled, match="nothing was accepted"):
        client.submit_request(b"{}")
    with pytest.raises(Unavailable, match="no answer"):
        client.get("jobs")


def test_a_connection_that_breaks_is_doubt_for_a_submission_only(at):
    with raw_server(lambda connection, over: None) as url:
        client = at(url)
        with pytest.raises(Ambiguous):
            client.submit_request(b"{}")
        with pytest.raises(Unavailable):
            client.get("jobs")
        with pytest.raises(Unavailable):
            client.cancel("a")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply({"message": "not found"}, 404), ResourceNotFound),
        (reply({"message": "bad"}, 400), ProviderError),
        (reply(ECHO, 401), Unavailable),
        (reply({}, 429), Throttled),
        (reply({}, 500), Unavailable),
        (reply(HTML, 503), Unavailable),
        (reply(HTML), Unavailable),
        (reply(b'{"jobs": ['), Unavailable),
        (reply(b"[" * 100_000), Unavailable),
        (reply({}, 302, Location="https://elsewhere.example"), Unavailable),
    ],
)
def test_a_look_that_fails_never_rejects_the_job(answer, error, at):
    with scripted_server(lambda *_: answer) as server:
        with pytest.raises(ProviderError) as caught, calling("ionq", "fetch"):
            at(server.url).get("jobs", "a")
        assert len(server.asked) == 1
    assert type(caught.value) is error
    assert caught.value.phase == "fetch"
    assert str(caught.value).startswith("ionq: fetch failed: ")
    assert caught.value.retryable is (error is not ProviderError)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("1e9", 86_400.0),
    ],
)
def test_the_provider_says_when_to_come_back(header, seconds, at):
    with scripted_server(lambda *_: reply({}, 429, Retry_After=header)) as server, pytest.raises(Throttled) as caught:
        at(server.url).submit_request(b"{}")
    found = caught.value.retry_after_seconds
    assert found == (seconds if seconds is None else pytest.approx(seconds, abs=5))


def test_the_provider_may_name_a_date_instead(at):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    with scripted_server(lambda *_: reply({}, 429, Retry_After=until)) as server, pytest.raises(Throttled) as caught:
        at(server.url).submit_request(b"{}")
    assert 30 < caught.value.retry_after_seconds <= 50


def test_a_rotated_key_is_read_again_once(at, tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text("old-key")
    monkeypatch.setenv("IONQ_API_KEY_FILE", str(file))

    def answer(method, path, query):
        if server.authorizations[-1] == "apiKey new-key":
            return reply({"id": "a"}, 201)
        file.write_text("new-key")
        return reply(ECHO, 401)

    with scripted_server(answer) as server:
        assert at(server.url).get("jobs", "a")[1] == {"id": "a"}
    assert server.authorizations == ["apiKey old-key", "apiKey new-key"]


def test_what_submits_is_sent_once_whoever_refuses_the_key(at, tmp_path, monkeypatch):
    """A gateway may have refused it behind which the job was accepted: with a second key it would be paid twice."""
    file = tmp_path / "key"
    file.write_text("old-key")
    monkeypatch.setenv("IONQ_API_KEY_FILE", str(file))

    def answer(method, path, query):
        file.write_text("new-key")
        return reply(ECHO, 401)

    with scripted_server(answer) as server:
        with pytest.raises(Throttled) as caught:
            at(server.url).submit_request(b"{}")
        assert caught.value.request_sent
        assert server.authorizations == ["apiKey old-key"]


def test_without_a_key_nothing_is_sent(at, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    with scripted_server(lambda *_: reply([])) as server:
        client = at(server.url)
        with pytest.raises(Throttled, match="IONQ_API_KEY_FILE") as caught:
            client.submit_request(b"{}")
        assert not caught.value.request_sent
        with pytest.raises(Unavailable, match="IONQ_API_KEY_FILE"):
            client.get("jobs")
        assert not server.asked
        client.get("backends", public=True)
        assert server.authorizations == [None]


def test_a_key_is_not_sent_in_the_clear(at):
    client = at("http://api.example.com/v0.4")
    with pytest.raises(Throttled, match=r"nothing was sent: .*https"):
        client.submit_request(b"{}")
    with pytest.raises(ProviderError, match="https"):
        client.get("backends", public=True)


def test_ids_do_not_leave_their_place_in_the_address(at):
    with scripted_server(lambda *_: reply({})) as server:
        at(server.url).get("jobs", "../whoami?x=1")
    assert server.asked == [("GET", "/jobs/..%2Fwhoami%3Fx%3D1", {})]
