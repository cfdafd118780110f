"""The emulator as a vendor: published fields, keys, limits, pages, cancellation, memory, and wrong starts."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from qhybrid_pipelines.emulator.process import Emulator, EmulatorStartError, start_emulator
from qhybrid_pipelines_tests.support.emulator_client import BELL, FLIPPED_FIRST, Client, job_body

# Required fields by schema, as the published OpenAPI description of v0.4 has them (mirror of May 2026).
BASE_JOB = {
    "id", "status", "type", "backend", "dry_run", "submitter_id", "project_id", "parent_job_id", "session_id",
    "metadata", "name", "submitted_at", "started_at", "completed_at", "predicted_wait_time_ms",
    "predicted_execution_duration_ms", "execution_duration_ms", "failure", "output", "settings", "stats", "results",
}  # fmt: skip
REQUIRED: dict[str, set[str]] = {
    "Whoami": {"key_id", "key_name"},
    "Backend": {"backend", "status", "qubits", "average_queue_time", "last_updated"},
    "ListCharacterizations": {"characterizations"},
    "Characterization.fidelity": {"spam"},
    "Characterization.timing": {"readout", "reset"},
    "JobCreationResponse": {"id", "status", "session_id"},
    "BaseJob": BASE_JOB,
    "GetCircuitJobResponse": BASE_JOB | {"child_job_ids"},
    "GetJobsResponse": {"jobs", "next"},
    "Failure": {"code", "message"},
    "GetJobCostResponse": {"dry_run", "estimated_cost"},
    "JobCanceledResponse": {"id", "status"},
    "JobsCanceledResponse": {"ids", "status"},
    "JobDeletedResponse": {"id", "status"},
    "JobsDeletedResponse": {"ids", "status"},
    "GetJobEstimateResponse": {
        "input_values", "estimated_at", "cost_unit", "rate_information", "estimated_cost", "estimated_execution_time",
        "current_predicted_queue_time",
    },
    "GetJobEstimateResponse.rate_information": {
        "job_cost_minimum", "cost_2q_gate", "cost_1q_gate", "organization",
    },
    "Error": {"statusCode", "error", "message"},
}  # fmt: skip
# Schemas that allow no other field, with the optional ones.
CLOSED: dict[str, set[str]] = {
    "JobCreationResponse": set(),
    "BaseJob": {"shots", "noise", "cost_model"},
    "GetCircuitJobResponse": {"shots", "noise", "cost_model"},
    "GetJobsResponse": set(),
    "Failure": set(),
    "GetJobCostResponse": {"cost"},
    "JobCanceledResponse": set(),
    "JobDeletedResponse": set(),
    "GetJobEstimateResponse": set(),
}


def check(schema: str, payload: Any) -> Any:
    """Compare a payload with a published schema's names."""
    assert REQUIRED[schema] <= set(payload), schema
    if schema in CLOSED:
        assert set(payload) <= REQUIRED[schema] | CLOSED[schema], schema
    return payload


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start_emulator(tmp_path_factory.mktemp("cloud"), speed=1, seed=7)
    yield running
    running.stop()


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    own = Client(emulator)
    yield own
    own.close()


def test_every_answer_has_its_published_fields(client: Client) -> None:
    check("Whoami", client.get("/whoami").json())
    for backend in client.get("/backends").json():
        check("Backend", backend)
    check("Backend", client.get("/backends/qpu.aria-1").json())
    page = check("ListCharacterizations", client.get("/backends/qpu.aria-1/characterizations").json())
    characterization = page["characterizations"][0]
    check("Characterization.fidelity", characterization["fidelity"])
    check("Characterization.timing", characterization["timing"])
    one = client.get(f"/backends/qpu.aria-1/characterizations/{characterization['id']}").json()
    assert one == characterization
    created = check("JobCreationResponse", client.post(job_body(BELL, FLIPPED_FIRST)).json())
    job = check("GetCircuitJobResponse", client.get(f"/jobs/{created['id']}").json())
    check("GetCircuitJobResponse", client.get(f"/jobs/{job['child_job_ids'][0]}").json())
    for listed in check("GetJobsResponse", client.get("/jobs").json())["jobs"]:
        check("BaseJob", listed)
    check("GetJobCostResponse", client.get(f"/jobs/{created['id']}/cost").json())
    estimate = check("GetJobEstimateResponse", client.get("/jobs/estimate", backend="qpu.aria-1").json())
    check("GetJobEstimateResponse.rate_information", estimate["rate_information"])
    client.faults({"fault": "failed"})
    check("Failure", client.run_to_end(client.submit_job())["failure"])
    client.faults()
    again = [client.submit_job() for _ in range(4)]
    check("JobCanceledResponse", client.call("PUT", f"/jobs/{again[0]}/status/cancel").json())
    check("JobsCanceledResponse", client.call("PUT", "/jobs/status/cancel", json={"ids": again[1:2]}).json())
    check("JobDeletedResponse", client.call("DELETE", f"/jobs/{again[2]}").json())
    check("JobsDeletedResponse", client.call("DELETE", "/jobs", json={"ids": again[3:]}).json())
    for wrong in (client.get("/jobs/nothing"), client.post({}), client.get("/jobs", limit="few"), client.get("/none")):
        assert wrong.status_code in (400, 404)
        check("Error", wrong.json())


def test_keys(client: Client, emulator: Emulator) -> None:
    def status(header: str | None) -> int:
        headers = {} if header is None else {"Authorization": header}
        return httpx.get(f"{emulator.url}/jobs", headers=headers, timeout=10).status_code

    assert status(f"apiKey {emulator.key}") == 200
    assert [status(header) for header in (None, "", emulator.key, "Bearer x", "apiKey other")] == [401] * 5
    assert httpx.get(f"{emulator.url}/backends", timeout=10).status_code == 200, "published without a key"
    client.admin("PUT", "/key", {"key": "second"})
    assert status(f"apiKey {emulator.key}") == 403
    assert status("apiKey second") == 200
    assert emulator.key not in json.dumps(client.admin("GET", "/bodies"))
    client.admin("PUT", "/key", {"key": emulator.key})


def test_limits_are_told_and_kept(client: Client) -> None:
    machines = {one["backend"]: one for one in client.get("/backends").json()}
    assert set(machines) == {"simulator", "qpu.aria-1", "qpu.forte-1"}
    aria = machines["qpu.aria-1"]
    limits = aria["limits"]
    fits = {"backend": "qpu.aria-1", "qubits": aria["qubits"], "shots": limits["max_shots"]}
    assert client.post(job_body(**fits)).status_code == 201
    before = len(client.book())
    for wrong in ({"shots": limits["max_shots"] + 1}, {"qubits": aria["qubits"] + 1}, {"shots": 0}):
        answer = client.post(job_body(**{**fits, **wrong}))
        assert answer.status_code == 400
        assert answer.json()["validation"]["keys"]
    most = [FLIPPED_FIRST] * limits["max_circuits_per_job"]
    assert client.post(job_body(*most, backend="qpu.aria-1")).status_code == 201
    assert client.post(job_body(*most, BELL, backend="qpu.aria-1")).status_code == 400
    assert len(client.book()) == before + 1
    assert client.get("/jobs", limit=26).status_code == 400


def test_the_book_knows_what_was_sent(client: Client) -> None:
    body = json.dumps(job_body(shots=77, metadata={"tag": "abc"}, name="n")).encode()
    client.call("POST", "/jobs", content=body)
    entry = client.book()[-1]
    assert entry["metadata"] == {"tag": "abc"}
    assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert (entry["shots"], entry["backend"], entry["state"]) == (77, "simulator", "submitted")
    kept = client.admin("GET", "/bodies")["bodies"]
    assert next(one["body"] for one in kept if one["seq"] == entry["body_seq"]) == body.decode()
    client.post({"type": "nonsense", "secret": "planted"})
    assert "planted" in client.admin("GET", "/bodies")["bodies"][-1]["body"], "refused bodies are kept too"
    assert client.admin("GET", "/requests")["requests"]["POST /jobs"] >= 2


def test_pages_show_every_job_once_newest_first(tmp_path: Path) -> None:
    running = start_emulator(tmp_path, speed=1, seed=1)
    client = Client(running)
    try:
        names = [client.submit_job(backend="qpu.aria-1" if n % 2 else "simulator") for n in range(60)]

        def walk(**filters: Any) -> list[str]:
            found, following = [], {}
            while True:
                page = client.get("/jobs", **filters, **following).json()
                found += [job["id"] for job in page["jobs"]]
                if page["next"] is None:
                    return found
                following = {"next": page["next"]}

        assert walk() == names[::-1]
        assert walk(limit=7) == names[::-1]
        assert walk(limit=20) == names[::-1], "a last page that is full has no next"
        assert walk(target="qpu.aria-1", limit=10) == names[1::2][::-1]
        assert walk(target="simulator,qpu.aria-1") == names[::-1]
        assert walk(ids=names[:30]) == names[:30][::-1]
        assert walk(ids=",".join(names[5:9])) == names[5:9][::-1]
        client.call("PUT", "/jobs/status/cancel", json={"ids": names[10:50]})
        assert walk(status="canceled", limit=3) == names[10:50][::-1]
        assert walk(status="completed") == []
        assert client.get("/jobs", status="odd").status_code == 400
        assert client.get("/jobs", next="nobody").status_code == 400
    finally:
        client.close()
        running.stop()


def test_children_of_a_multi_circuit_job(client: Client) -> None:
    job = client.submit_job(BELL, FLIPPED_FIRST, BELL, backend="qpu.aria-1", shots=400)
    view = client.run_to_end(job)
    children = view["child_job_ids"]
    assert len(set(children)) == 3
    listed = client.get("/jobs", parent_job_id=job, limit=2).json()
    rest = client.get("/jobs", parent_job_id=job, next=listed["next"]).json()
    assert [one["id"] for one in listed["jobs"] + rest["jobs"]] == children
    child = client.get(f"/jobs/{children[1]}").json()
    assert (child["parent_job_id"], child["status"], child["stats"]["circuits"]) == (job, "completed", 1)
    together = client.get(f"/jobs/{job}/results/probabilities").json()
    assert list(together) == children
    assert client.get(f"/jobs/{job}/results/probabilities/aggregated").json() == together
    assert client.get(child["results"]["probabilities"]["url"].removeprefix("/v0.4")).json() == together[children[1]]
    assert max(together[children[1]], key=together[children[1]].get) == "1"
    assert client.get(f"/jobs/{job}/cost").json()["cost"] == {"value": 12.4166, "unit": "usd"}
    assert client.get(f"/jobs/{children[0]}/cost").json()["cost"]["value"] == 0.0
    assert children[0] not in [one["id"] for one in client.get("/jobs").json()["jobs"]]


def test_forms_of_a_result_agree_and_variants_make_up_the_whole(client: Client) -> None:
    settings = {"error_mitigation": {"debiasing": True}}
    job = client.submit_job(backend="qpu.aria-1", shots=1001, settings=settings)
    view = client.run_to_end(job)

    def read(entry: dict[str, Any], form: str) -> Any:
        return client.get(entry["results"][form]["url"].removeprefix("/v0.4")).json()

    shots, counts, probabilities = (read(view, form) for form in ("shots", "histogram", "probabilities"))
    assert {state: shots.count(state) for state in set(shots)} == counts
    assert {state: round(p * 1001) for state, p in probabilities.items()} == counts
    variants = view["output"]["error_mitigation"]["debiasing"]["variants"]
    assert sum(variant["shots"] for variant in variants) == 1001
    assert [state for variant in variants for state in read(variant, "shots")] == shots
    assert client.get(f"/jobs/{job}/variants/{job}/results/shots").status_code == 404


def test_queue_and_prices(client: Client) -> None:
    client.advance(1_000_000)
    first, second = (client.submit_job(backend="qpu.forte-1", shots=10_000) for _ in range(2))
    views = [client.get(f"/jobs/{job}").json() for job in (first, second)]
    assert [view["output"]["emulator"]["queue_position"] for view in views] == [1, 2]
    waits = [view["predicted_wait_time_ms"] for view in views]
    assert waits[1] >= waits[0] + views[0]["predicted_execution_duration_ms"] - 1000
    queue = client.get("/backends/qpu.forte-1").json()["average_queue_time"]
    assert queue >= waits[1]
    asked = {"backend": "qpu.forte-1", "shots": 10_000, "1q_gates": 1, "2q_gates": 1}
    estimate = client.get("/jobs/estimate", **asked).json()
    assert estimate["estimated_cost"] == client.get(f"/jobs/{first}/cost").json()["estimated_cost"]["value"]
    done = [client.run_to_end(first), client.get(f"/jobs/{second}").json()]
    ended = datetime.fromisoformat(done[0]["completed_at"])
    assert datetime.fromisoformat(done[1]["started_at"]) >= ended, "one machine, one job at a time"
    assert client.book()[-1]["charged_usd"] == estimate["estimated_cost"]


def test_backends_can_be_taken_down_and_made_to_wait(client: Client) -> None:
    client.admin("PUT", "/backends/qpu.aria-1", {"status": "unavailable", "extra_wait_seconds": 7200})
    view = client.get("/backends/qpu.aria-1").json()
    assert view["status"] == "unavailable"
    assert view["average_queue_time"] > 7_200_000
    client.admin("PUT", "/backends/qpu.aria-1", {"status": "available", "extra_wait_seconds": 0})


def test_a_machine_can_be_made_to_take_smaller_jobs(client: Client) -> None:
    view = client.admin("PUT", "/backends/qpu.forte-1", {"max_circuits_per_job": 2})
    assert view["limits"]["max_circuits_per_job"] == 2
    assert client.post(job_body(BELL, BELL, BELL, backend="qpu.forte-1")).status_code == 400
    assert client.post(job_body(BELL, BELL, backend="qpu.forte-1")).status_code == 201
    client.admin("PUT", "/backends/qpu.forte-1", {"max_circuits_per_job": 300})


def test_cancelling_is_too_late_when_the_job_has_ended(client: Client) -> None:
    early, late = client.submit_job(), client.submit_job()
    assert client.call("PUT", f"/jobs/{early}/status/cancel").json() == {"id": early, "status": "canceled"}
    client.run_to_end(late)
    assert client.call("PUT", f"/jobs/{late}/status/cancel").json() == {"id": late, "status": "completed"}
    assert client.get(f"/jobs/{early}").json()["status"] == "canceled"
    assert client.get(f"/jobs/{early}/results/probabilities").status_code == 404
    assert client.get(f"/jobs/{late}/results/probabilities").status_code == 200
    assert [job["charged_usd"] for job in client.book()[-2:]] == [0.0, 0.0]


def test_characterizations_go_on_with_time(client: Client) -> None:
    path = "/backends/qpu.forte-1/characterizations"
    first = client.get("/backends/qpu.forte-1").json()["characterization_id"]
    client.advance(30 * 3600)
    page = client.get(path, limit=10).json()
    found = page["characterizations"]
    dates = [datetime.fromisoformat(one["date"]) for one in found]
    assert dates == sorted(dates, reverse=True)
    assert all(
        (new - old).total_seconds() == pytest.approx(12 * 3600, abs=0.01) for new, old in itertools.pairwise(dates)
    )
    assert client.get("/backends/qpu.forte-1").json()["characterization_id"] == found[0]["id"] != first
    assert client.get(path, limit=1).json()["characterizations"] == found[:1]
    assert client.get(path, limit=1, page=2).json()["characterizations"] == found[1:2]
    newer = client.get(path, start=found[1]["date"], end=found[0]["date"]).json()["characterizations"]
    assert found[0] not in newer
    assert client.get(path, limit=11).status_code == 400
    assert client.get(path, start="someday").status_code == 400


def start_command(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qhybrid_pipelines.emulator", "start", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wrong_starts_say_what_is_wrong_in_one_sentence(tmp_path: Path, emulator: Emulator) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    plan = tmp_path / "plan.json"
    plan.write_text('[{"route": "POST /jobs", "fault": "explode"}]')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases = {
            "field '--port'": ["--folder", str(tmp_path / "a"), "--port", str(taken.getsockname()[1])],
            "field '--folder'": ["--folder", str(file), "--port", "0"],
            "used by another emulator": ["--folder", str(emulator.folder), "--port", "0"],
            "field '[0].fault'": ["--folder", str(tmp_path / "b"), "--port", "0", "--faults", str(plan)],
            "field '--faults'": ["--folder", str(tmp_path / "c"), "--port", "0", "--faults", str(tmp_path / "none")],
            "field '--host'": ["--folder", str(tmp_path / "d"), "--host", "0.0.0.0"],
            "error: field '--speed'": ["--folder", str(tmp_path / "e"), "--speed", "0"],
        }
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda options: start_command(*options), cases.values()))
    for said, answer in zip(cases, answers, strict=True):
        assert answer.returncode == 2, answer.stderr
        assert said in answer.stderr
        assert "Traceback" not in answer.stderr
        assert not answer.stdout


def test_a_folder_keeps_its_seed(tmp_path: Path) -> None:
    start_emulator(tmp_path, seed=3).stop()
    with pytest.raises(EmulatorStartError, match="field '--seed'"):
        start_emulator(tmp_path, seed=4)
    start_emulator(tmp_path).stop()
