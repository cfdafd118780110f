"""`qhybrid serve` with the tokens of an issuer: policy and jobs see the caller, and a new key of the issuer refuses nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.requesters import read_requester
from qhybrid_pipelines_tests.support.running_service import KARATE, RunningService, is_problem
from qhybrid_pipelines_tests.support.scripted_server import ScriptedServer, reply, scripted_server
from qhybrid_pipelines_tests.unit.service.access.test_token_callers import EC_KEY, OTHER_RSA_KEY, RSA_KEY, jwk, token

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
SETTINGS = {"issuer": "https://id.example", "audience": "qhybrid", "algorithms": ["RS256", "ES256"]}


class Issuer:
    """Publishes keys on the loopback address."""

    def __init__(self, server: ScriptedServer, published: list) -> None:
        self.server, self.published = server, published


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    published = [jwk(RSA_KEY, "r1")]
    with scripted_server(lambda *_: reply({"keys": published})) as server:
        yield Issuer(server, published)


@pytest.fixture(scope="module")
def service(issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home = Home(tmp_path_factory.mktemp("tokens") / "home").make()
    tokens = {**SETTINGS, "jwks": f"{issuer.server.url}/jwks"}
    (home.path / "service.yaml").write_text(json.dumps({"tokens": tokens, "limits": {"requests": None}}))
    running = RunningService(home.path, "--host", "0.0.0.0").wait_ready()
    running.url = running.url.replace("0.0.0.0", "127.0.0.1")
    yield running
    running.stop()


def ask(service: RunningService, shown: str, method: str = "GET", path: str = "/v1/experiments", **more):
    headers = {"authorization": f"Bearer {shown}", **more.pop("headers", {})}
    return httpx.request(method, f"{service.url}{path}", headers=headers, timeout=60.0, trust_env=False, **more)


def test_a_caller_with_a_token_sends_reads_and_is_known_by_its_name(service):
    sent = ask(
        service,
        token(),
        "POST",
        json={"specification": {**KARATE, "seed": 501}},
        headers={"idempotency-key": "t1"},
    )
    assert sent.status_code == 202, sent.text
    key = sent.json()["experiment"]
    until = time.monotonic() + 30
    while ask(service, token(), path=f"/v1/experiments/{key}").json()["state"] == "accepted":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert read_requester(Home(service.home), key) == "ada"
    assert is_problem(ask(service, token(sub="bob"), path=f"/v1/experiments/{key}"), 404, "not-found")
    assert is_problem(ask(service, token(scope="read"), "POST", json={}), 403, "forbidden")
    assert is_problem(ask(service, token(scope="")), 403, "forbidden")


def test_what_is_not_in_force_is_refused_before_anything_is_read(service):
    assert is_problem(httpx.get(f"{service.url}/v1/jobs", trust_env=False), 401, "unauthorised")
    for shown in (token(exp=time.time() - 3600), token(OTHER_RSA_KEY), token(aud="x"), token(iss="x"), "no.token.x"):
        answer = ask(service, shown)
        assert is_problem(answer, 401, "unauthorised")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert shown not in service.log


def test_a_new_key_of_the_issuer_refuses_no_call(service, issuer):
    """Callers ask all the time while the issuer publishes a key, signs with it at once, and takes the old one out later."""
    shown, statuses, ended = [token()], [], threading.Event()

    def call() -> None:
        while not ended.is_set():
            statuses.append(ask(service, shown[-1]).status_code)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(2)
        issuer.published.append(jwk(EC_KEY, "e2"))
        shown.append(token(EC_KEY, "e2", "ES256"))
        time.sleep(3)
        issuer.published.pop(0)
        time.sleep(1)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 20
