"""Files that are sent ahead: used by their hash and by their owner only, bounded, and the experiment is the one of the same page."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest
import yaml

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.service.intake.uploads import MOST_BYTES
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.acceptance.test_service_keys import make_key
from qhybrid_pipelines_tests.support.running_service import COMMAND, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
TRIANGLE = b"3 3\n1 2 1\n2 3 1\n1 3 1\n"
PACKED = gzip.compress(TRIANGLE, mtime=0)


class Senders:
    def __init__(self, home) -> None:
        self.keys = {name: make_key(home, name, "read", "submit")[0] for name in ("ada", "bob")}
        self.keys["reader"] = make_key(home, "reader", "read")[0]
        self.service = RunningService(home).wait_ready()

    def ask(self, name: str, method: str, path: str, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[name]}", **more.pop("headers", {})}
        with httpx.Client(base_url=self.service.url, headers=headers, timeout=60.0, trust_env=False) as client:
            return client.request(method, path, **more)

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.ask(
            name, "POST", "/v1/uploads", content=content, headers={"content-type": "application/octet-stream"}
        )

    def post(self, name: str, key: str, file: str, sha256: object) -> httpx.Response:
        specification = {"name": "uploaded", "problem": {"family": "maxcut", "source": file}}
        body = {"specification": specification, "files": {file: {"upload": sha256}}}
        return self.ask(name, "POST", "/v1/experiments", json=body, headers={"idempotency-key": key})


@pytest.fixture(scope="module")
def senders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Senders]:
    made = Senders(tmp_path_factory.mktemp("uploads") / "home")
    yield made
    made.service.stop()


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("name", "content"), [("triangle.mc", TRIANGLE), ("triangle.mc.gz", PACKED)])
def test_it_is_the_experiment_of_the_page_beside_the_file(senders, tmp_path, name, content):
    first, again = senders.upload("ada", content), senders.upload("ada", content)
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json() == again.json()
    assert first.json()["sha256"] == sha256_of(content)
    accepted = senders.post("ada", f"u-{name}", name, sha256_of(content))
    assert accepted.status_code == 202, accepted.text
    (tmp_path / name).write_bytes(content)
    page = {"name": "uploaded", "problem": {"family": "maxcut", "source": name}}
    (tmp_path / "page.yaml").write_text(yaml.safe_dump(page))
    other = Specifications(Home(tmp_path / "home").make())
    assert (
        accepted.json()["experiment"] == Registration(other, ("local:auto",)).register_file(tmp_path / "page.yaml").key
    )


def test_somebody_elses_file_is_not_there_even_for_who_knows_its_hash(senders):
    content = b"4 4\n1 2 1\n2 3 1\n3 4 1\n4 1 1\n"
    sha256 = senders.upload("ada", content).json()["sha256"]
    assert senders.post("ada", "other-1", "square.mc", sha256).status_code == 202
    # The same request is checked and remembered already, and still not bob's.
    hidden = senders.post("bob", "other-1", "square.mc", sha256)
    absent = senders.post("bob", "other-2", "square.mc", "0" * 64)
    assert is_problem(hidden, 422, "invalid-input")
    assert hidden.json()["field"] == "files.square.mc.upload"
    assert {**hidden.json(), "correlation_id": ""} == {**absent.json(), "correlation_id": ""}
    assert sha256 not in {one["sha256"] for one in senders.ask("bob", "GET", "/v1/uploads").json()["items"]}
    assert is_problem(senders.ask("bob", "DELETE", f"/v1/uploads/{sha256}"), 404, "not-found")
    assert is_problem(senders.upload("reader", content), 403, "forbidden")


def test_a_file_is_deleted_and_its_experiment_stays(senders):
    content = b"2 1\n1 2 5\n"
    sha256 = senders.upload("bob", content).json()["sha256"]
    accepted = senders.post("bob", "gone-1", "edge.mc", sha256)
    assert senders.ask("bob", "DELETE", f"/v1/uploads/{sha256}").status_code == 204
    assert is_problem(senders.ask("bob", "DELETE", f"/v1/uploads/{sha256}"), 404, "not-found")
    assert senders.post("bob", "gone-1", "edge.mc", sha256).content == accepted.content  # the same request as before
    assert is_problem(senders.post("bob", "gone-2", "edge.mc", sha256), 422, "invalid-input")


def test_what_is_too_large_empty_or_wrong_is_refused(senders):
    assert is_problem(senders.upload("ada", b"x" * (MOST_BYTES + 1)), 413, "too-large")
    assert senders.upload("bob", b"x" * MOST_BYTES).status_code == 201
    assert is_problem(senders.upload("ada", b""), 422, "invalid-input")
    assert is_problem(senders.ask("ada", "POST", "/v1/uploads", content=b"x"), 415, "media-type")
    for wrong in ("../../etc/passwd", "", "A" * 64, "0" * 63, 7, None, ["0" * 64]):
        assert is_problem(senders.post("ada", "wrong-1", "x.mc", wrong), 422, "invalid-input")
    for path in ("..%2F..%2Fledger.db", "%00", "0" * 64):
        assert senders.ask("ada", "DELETE", f"/v1/uploads/{path}").status_code in (400, 404)
    sha256 = senders.upload("ada", TRIANGLE).json()["sha256"]
    by_hash = {"name": "x", "problem": {"family": "maxcut", "source": {"file": "x.mc", "sha256": sha256}}}
    answer = senders.ask(
        "ada", "POST", "/v1/experiments", json={"specification": by_hash}, headers={"idempotency-key": "wrong-2"}
    )
    assert is_problem(answer, 422, "invalid-input")


def test_a_restored_home_has_the_files_of_each_sender(senders, tmp_path):
    content = b"5 5\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n5 1 1\n"
    kept = senders.upload("ada", content).json()
    assert senders.ask("ada", "GET", kept["href"]).content == content
    assert is_problem(senders.ask("bob", "GET", kept["href"]), 404, "not-found")
    home, backup = senders.service.home, tmp_path / "backup"
    for words in (("backup", backup, "--home", home), ("restore", backup, "--home", tmp_path / "restored")):
        subprocess.run([COMMAND, *map(str, words)], check=True, capture_output=True)
    # The secret under which keys are kept is not in a backup; whoever keeps the home carries it.
    shutil.copy(home / "service.pepper", tmp_path / "restored")
    before, senders.service = senders.service, RunningService(tmp_path / "restored").wait_ready()
    try:
        assert senders.ask("ada", "GET", kept["href"]).content == content
        assert kept in senders.ask("ada", "GET", "/v1/uploads").json()["items"]
        assert is_problem(senders.ask("bob", "GET", kept["href"]), 404, "not-found")
        assert senders.post("ada", "restored-1", "pentagon.mc", kept["sha256"]).status_code == 202
    finally:
        senders.service.stop()
        senders.service = before


def test_there_may_be_only_so_many(tmp_path):
    from qhybrid_pipelines.service.intake import uploads
    from qhybrid_pipelines.service.problem_documents import ProblemError

    files = uploads.Uploads(Home(tmp_path).make())
    size = uploads.MOST_BYTES_TOGETHER // 16
    for number in range(16):
        assert files.add("ada", bytes([number]) * size)[1]
    with pytest.raises(ProblemError) as error:
        files.add("ada", b"one more")
    assert error.value.problem.code == "refused"
    assert not files.add("ada", bytes([3]) * size)[1]
    assert files.add("bob", b"one more")[1]
    files.remove("ada", next(iter(files.of("ada"))).sha256)
    assert files.add("ada", b"one more")[1]
