"""Two callers with keys of their own: neither sees the other's work nor pays for it, and their names are in the jobs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from qhybrid_pipelines_tests.support.running_service import COMMAND, KARATE, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]


def make_key(home, principal: str, *scopes: str) -> tuple[str, str]:
    """Return a new key and its id."""
    options = [word for scope in scopes for word in ("--scope", scope)]
    done = subprocess.run(
        [COMMAND, "keys", "create", principal, *options, "--home", str(home), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    made = json.loads(done.stdout)
    return made["key"], made["id"]


class Tenants:
    """A service on all addresses of this machine, and a client for each of its callers."""

    def __init__(self, home) -> None:
        self.home = home
        self.keys = {name: make_key(home, name)[0] for name in ("ada", "bob")}
        self.keys["root"] = make_key(home, "root", "all")[0]
        self.keys["reader"] = make_key(home, "reader", "read")[0]
        self.service = RunningService(home, "--host", "0.0.0.0").wait_ready()

    def client(self, name: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.service.url.replace("0.0.0.0", "127.0.0.1"),
            headers={"authorization": f"Bearer {self.keys[name]}"},
            timeout=60.0,
            trust_env=False,
        )

    def post(self, name: str, key: str, **change) -> httpx.Response:
        with self.client(name) as client:
            return client.post(
                "/v1/experiments", json={"specification": {**KARATE, **change}}, headers={"Idempotency-Key": key}
            )

    def get(self, name: str, path: str) -> httpx.Response:
        with self.client(name) as client:
            return client.get(path)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    made = Tenants(tmp_path_factory.mktemp("tenants") / "home")
    yield made
    made.service.stop()


def test_nobody_comes_in_without_a_key(tenants):
    with httpx.Client(base_url=tenants.service.url.replace("0.0.0.0", "127.0.0.1"), trust_env=False) as client:
        for path in ("/v1/experiments", "/v1/jobs", "/v1/events", "/v1/events/stream", "/metrics"):
            answer = client.get(path)
            assert is_problem(answer, 401, "unauthorised")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/v1/experiments", "/v1/estimates"):
            assert is_problem(client.post(path, json={"specification": KARATE}), 401, "unauthorised")
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 200


def test_scopes_are_held(tenants):
    assert is_problem(tenants.post("reader", "r1"), 403, "forbidden")
    assert is_problem(tenants.get("ada", "/metrics"), 403, "forbidden")
    assert tenants.get("root", "/metrics").status_code == 200
    assert is_problem(tenants.post("root", "r1"), 403, "forbidden"), "who may see everything may not yet spend"


def test_each_sees_what_it_has_sent_and_nothing_else(tenants):
    mine = tenants.post("ada", "k1", seed=1).json()["experiment"]
    other = tenants.post("bob", "k1", seed=2).json()["experiment"]
    tenants.service.client.headers["authorization"] = f"Bearer {tenants.keys['root']}"
    for key in (mine, other):
        tenants.service.wait_registered(key)
    for name, sees, not_this in (("ada", mine, other), ("bob", other, mine)):
        assert [one["experiment"] for one in tenants.get(name, "/v1/experiments").json()["items"]] == [sees]
        assert tenants.get(name, f"/v1/experiments/{sees}").status_code == 200
        for path in (
            f"/v1/experiments/{not_this}",
            f"/v1/experiments/{not_this}/results",
            f"/v1/jobs?experiment={not_this}",
        ):
            hidden, absent = tenants.get(name, path), tenants.get(name, path.replace(not_this, "nothing-00000000"))
            assert is_problem(hidden, 404, "not-found")
            # What is somebody else's looks like what is not there.
            assert hidden.json()["detail"] == absent.json()["detail"]
    assert {one["experiment"] for one in tenants.get("root", "/v1/experiments").json()["items"]} >= {mine, other}
    assert tenants.get("reader", "/v1/experiments").json()["items"] == []


def test_the_same_specification_is_not_shared_by_accident(tenants):
    assert tenants.post("ada", "s1", seed=3).status_code == 202
    assert tenants.post("ada", "s2", seed=3).status_code == 202
    answer = tenants.post("bob", "s1", seed=3)
    assert is_problem(answer, 409, "conflict")
    assert "seed" in answer.json()["remedy"]
    # An experiment of the house, which came another way, is nobody's either.
    (tenants.home / "page.json").write_text(json.dumps({**KARATE, "seed": 4}))
    (tenants.home / "inbox").mkdir(exist_ok=True)
    from qhybrid_pipelines.control.experiments.registration import Registration
    from qhybrid_pipelines.storage.layout import Home
    from qhybrid_pipelines.storage.specifications import Specifications

    Registration(Specifications(Home(tenants.home)), ["local:auto"]).register_file(tenants.home / "page.json")
    assert is_problem(tenants.post("ada", "s3", seed=4), 409, "conflict")


def test_a_key_that_was_taken_back_is_refused_at_once(tenants):
    key, key_id = make_key(tenants.home, "eve")
    tenants.keys["eve"] = key
    assert tenants.get("eve", "/v1/experiments").status_code == 200
    subprocess.run(
        [COMMAND, "keys", "revoke", key_id, "--home", str(tenants.home)], capture_output=True, text=True, check=True
    )
    assert is_problem(tenants.get("eve", "/v1/experiments"), 401, "unauthorised")
    listed = subprocess.run(
        [COMMAND, "keys", "list", "--home", str(tenants.home), "--json"], capture_output=True, text=True, check=True
    ).stdout
    assert {row["principal"]: row["state"] for row in json.loads(listed)}["eve"] == "revoked"
    assert key not in listed
    assert key not in tenants.service.log


def test_without_keys_only_the_loopback_address_is_served(tmp_path):
    done = subprocess.run(
        [COMMAND, "serve", "--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "qhybrid keys create" in done.stderr
