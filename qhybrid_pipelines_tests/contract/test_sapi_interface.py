"""The annealing face, request by request, as D-Wave describes its Solver API; `clients/` holds the vendor's own client against it."""

from __future__ import annotations

import zlib

import httpx
import pytest

from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.sapi_client import SMALL, SapiClient, read_answer

SAPI = "application/vnd.dwave.sapi"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("cloud"), speed=1.0, seed=7)
    client = Client(running)
    # whoever is not told to wait finds problems pending, however slow this machine is
    client.admin("PUT", f"/backends/{SMALL}", {"extra_wait_seconds": 600})
    client.close()
    yield running
    running.stop()


@pytest.fixture
def admin(emulator):
    client = Client(emulator)
    client.faults()
    yield client
    client.faults()
    client.close()


@pytest.fixture
def sapi(emulator, admin):
    client = SapiClient(emulator)
    yield client
    client.close()


def run(sapi, admin, problem):
    (said,) = sapi.submit(problem)
    admin.advance(10_000)
    return sapi.session.get(f"problems/{said['id']}").json()


def test_one_variable_up_at_either_end_is_the_first_and_the_last_bit(sapi, admin):
    """Golden vector: nine used qubits, unused ones between them; rows are 80 00 and 00 80."""
    qubits = sapi.definition()["properties"]["qubits"][2:45:5]
    assert len(qubits) == 9
    for up, row in ((qubits[0], "gAA="), (qubits[8], "AIA=")):
        answer = run(sapi, admin, sapi.problem({q: -1.0 if q == up else 1.0 for q in qubits}, num_reads=5))["answer"]
        assert answer["solutions"] == row
        assert read_answer(answer) == (qubits, [[int(q == up) for q in qubits]], [-9.0], [5])


def test_a_submission_is_accepted_in_part(sapi, admin):
    good, wrong = sapi.problem(label="good"), sapi.problem(label="wrong", num_reads=10_001)
    before = len(admin.book())
    first, refused, last = sapi.submit(good, wrong, good)
    assert (first["status"], last["status"]) == ("PENDING", "PENDING")
    assert refused == {"error_code": 400, "error_msg": "Parameter num_reads cannot be '10001'."}
    assert [job["id"] for job in admin.book()[before:]] == [first["id"], last["id"]]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"solver": {"name": "Advantage_system99"}}, 404, "no solver"),
        ({"solver": {"name": SMALL, "version": {"graph_id": "01deadbeef"}}}, 404, "no graph 01deadbeef"),
        ({"type": "cqm"}, 400, "type"),
        ({"label": "x" * 1025}, 400, "label"),
        ({"params": {"anneal_schedule": [[0, 0], [20, 1]]}}, 400, "anneal_schedule"),
        ({"params": {"annealing_time": 0.1}}, 400, "annealing_time"),
        ({"params": {"num_reads": True}}, 400, "num_reads"),
        ({"params": {"num_reads": 1000, "annealing_time": 2000}}, 400, "Upper limit on user-specified timing"),
        ({"data": {"format": "ref", "data": "x"}}, 400, "format"),
        ({"data": {"format": "qp", "lin": "AAAA", "quad": ""}}, 400, "base64 of doubles"),
        ({"data": {"format": "qp", "lin": "", "quad": "", "offset": 10**400}}, 400, "offset"),
        ({"data": {"format": "qp", "lin": "AAAAAAAAAAA=", "quad": ""}}, 400, "1 numbers"),
    ],
)
def test_what_cannot_be_accepted_is_named_and_not_in_the_book(sapi, admin, change, code, words):
    before = len(admin.book())
    (said,) = sapi.submit(sapi.problem() | change)
    assert said["error_code"] == code
    assert words in said["error_msg"]
    assert sapi.session.post("problems/", json=sapi.problem() | change).status_code == code
    assert len(admin.book()) == before


def test_out_of_range_is_refused_only_where_nothing_is_scaled(sapi, admin):
    qubit = sapi.definition()["properties"]["qubits"][0]
    (refused,) = sapi.submit(sapi.problem({qubit: 5.0}, auto_scale=False))
    assert "h is out of its range" in refused["error_msg"]
    assert read_answer(run(sapi, admin, sapi.problem({qubit: 5.0}))["answer"])[2] == [-5.0]


def test_lists_are_newest_first_and_match_labels_within(sapi, admin):
    ids = [sapi.submit(sapi.problem(label=f"qh-{n} home"))[0]["id"] for n in (1, 2, 12)]
    assert [one["id"] for one in sapi.list(label="qh-1")] == [ids[2], ids[0]]
    assert [one["id"] for one in sapi.list(label="qh-", solver=SMALL, max_results=2)] == [ids[2], ids[1]]
    assert sapi.list(label="qh-", solver="Advantage2_system1") == []
    assert sapi.list(label="qh-", status="COMPLETED") == []
    assert sapi.session.get("problems/", params={"max_results": 1001}).status_code == 400
    assert ids[0] not in [job["id"] for job in admin.get("/jobs").json()["jobs"]], "the other face has jobs of its own"
    assert admin.get(f"/jobs/{ids[0]}").status_code == 404


def test_a_bulk_poll_fails_for_one_unknown_id(sapi):
    (said,) = sapi.submit(sapi.problem())
    assert [one["id"] for one in sapi.list(id=said["id"], timeout=0)] == [said["id"]]
    answer = sapi.session.get("problems/", params={"id": f"{said['id']},unknown", "timeout": 0})
    assert answer.status_code == 404
    assert answer.json() == {"error_code": 404, "error_msg": "Problem unknown does not exist."}


def test_cancelling_in_time_in_between_and_too_late(sapi, admin):
    (waiting,) = sapi.submit(sapi.problem())
    answer = sapi.session.delete(f"problems/{waiting['id']}")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert sapi.session.delete(f"problems/{waiting['id']}").status_code == 409
    assert sapi.session.delete("problems/unknown").status_code == 404

    admin.faults({"fault": "stuck", "route": "POST /problems", "params": {"state": "started"}})
    running = [sapi.submit(sapi.problem())[0]["id"] for _ in range(12)]
    admin.advance(10_000)
    assert {one["status"] for one in sapi.list(id=",".join(running), timeout=0)} == {"IN_PROGRESS"}
    answers = [sapi.session.delete(f"problems/{one}") for one in running]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["error_code"] for answer in answers} == {202}
    states = [one["status"] for one in sapi.list(id=",".join(running), timeout=0)]
    assert set(states) == {"CANCELLED", "IN_PROGRESS"}, "some were in time, the others go on"


def test_an_answer_is_kept_for_a_while_and_then_gone(sapi, admin):
    (said,) = sapi.submit(sapi.problem(num_reads=3))
    assert sapi.session.get(f"problems/{said['id']}/answer").status_code == 404
    admin.advance(1000)
    first = sapi.session.get(f"problems/{said['id']}/answer")
    assert first.headers["content-type"] == f"{SAPI}.problem-answer+json; version=3.0.0"
    assert first.json()["answer"]["timing"]["qpu_access_time"] > 15_000
    assert sapi.session.get(f"problems/{said['id']}/info").json()["params"] == {"num_reads": 3}
    admin.advance(31 * 86_400)
    gone = sapi.session.get(f"problems/{said['id']}/answer")
    assert (gone.status_code, gone.json()["error_code"]) == (410, 410)


def test_media_types_keys_and_unknown_pages(sapi, emulator):
    wrong = {"Accept": f"{SAPI}.problem+json; version=3.0.0"}
    assert sapi.session.get("problems/", headers=wrong).status_code == 415
    future = {"Accept": f"{SAPI}.problems+json; version=4.0.0"}
    assert sapi.session.get("problems/", headers=future).status_code == 415
    right = sapi.session.get("problems/", headers={"Accept": f"{SAPI}.problems+json; version=3.0.0"})
    assert right.headers["content-type"] == f"{SAPI}.problems+json; version=3.0.0"
    for headers in ({}, {"X-Auth-Token": "other"}):
        refused = httpx.get(f"{emulator.sapi_url}problems/", headers=headers)
        assert (refused.status_code, refused.json()["error_code"]) == (401, 401)
    assert sapi.session.get("nowhere").json()["error_code"] == 404
    tag = sapi.session.get(f"solvers/remote/{SMALL}").headers["etag"]
    assert sapi.session.get(f"solvers/remote/{SMALL}", headers={"If-None-Match": tag}).status_code == 304
    assert (
        sapi.session.get("solvers/remote/", params={"filter": "none,+status"}).json() == [{"status": "ONLINE"}] * 3
    ), "two annealers and a hybrid solver"
    assert sapi.session.get("solvers/remote/", params={"filter": "some"}).status_code == 400


def test_a_packed_body_is_a_body(sapi, admin):
    import json

    body = zlib.compress(json.dumps([sapi.problem(label="packed")]).encode())
    answer = sapi.session.post("problems/", content=body, headers={"Content-Encoding": "deflate"})
    assert answer.json()[0]["label"] == "packed"
    assert '"packed"' in admin.admin("GET", "/bodies")["bodies"][-1]["body"], "a search for leaks sees what was packed"
    damaged = sapi.session.post("problems/", content=body[:-9], headers={"Content-Encoding": "deflate"})
    assert damaged.json()["error_code"] == 400


def test_another_graph_has_another_name_and_old_problems_keep_theirs(sapi, admin):
    before = sapi.definition()
    problem = sapi.problem()
    (said,) = sapi.submit(problem)
    admin.admin("PUT", f"/backends/{SMALL}", {"graph_version": 1})
    try:
        now = sapi.definition()
        assert now["identity"] != before["identity"]
        assert now["properties"]["qubits"] != before["properties"]["qubits"]
        (refused,) = sapi.submit(problem)
        assert refused["error_code"] == 404
        admin.advance(1000)
        ended = sapi.session.get(f"problems/{said['id']}").json()
        assert (ended["status"], ended["solver"]) == ("COMPLETED", before["identity"])
        assert read_answer(ended["answer"])[1] == [[0]]
    finally:
        admin.admin("PUT", f"/backends/{SMALL}", {"graph_version": 0})


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        ({"fault": "before_accept"}, 0),
        ({"fault": "before_accept", "params": {"drop": True}}, 0),
        ({"fault": "after_accept"}, 1),
        ({"fault": "after_accept", "params": {"drop": True}}, 1),
        ({"fault": "gateway"}, 1),
        ({"fault": "reset"}, 1),
        ({"fault": "throttle"}, 0),
        ({"fault": "html_200", "params": {"accept": True}}, 1),
    ],
    ids=str,
)
def test_every_lost_answer_leaves_in_the_book_what_was_accepted(sapi, admin, rule, accepted):
    problem, before = sapi.problem(label="lost answer"), len(admin.book())
    admin.faults({"route": "POST /problems", "backend": SMALL, "nth": 1, **rule})
    try:
        answer = sapi.session.post("problems/", json=[problem])
    except httpx.TransportError:
        pass
    else:
        if "error_code" in answer.text:
            assert answer.json()["error_code"] == answer.status_code
    assert len(admin.book()) - before == accepted


def test_fates_of_accepted_problems(sapi, admin):
    fates = ("lost", "failed", "result_missing")
    admin.faults(*({"fault": fate, "route": "POST /problems", "nth": n + 1} for n, fate in enumerate(fates)))
    lost, failed, missing = (sapi.submit(sapi.problem(label=f"fate {fate}"))[0]["id"] for fate in fates)
    admin.advance(1000)
    assert sapi.session.get(f"problems/{lost}").status_code == 404
    assert lost not in [one["id"] for one in sapi.list(label="fate")]
    view = sapi.session.get(f"problems/{failed}").json()
    assert (view["status"], view["error_message"]) == ("FAILED", "The machine failed during this job.")
    assert [sapi.session.get(f"problems/{missing}/answer").status_code for _ in range(4)] == [404, 404, 404, 200]
    charged = {job["id"]: job["charged_usd"] for job in admin.book()}
    assert charged[failed] == 0 < charged[missing]


def test_lists_lag_and_answers_come_too_early(sapi, admin):
    (said,) = sapi.submit(sapi.problem(label="lagging"))
    admin.faults({"fault": "listing_lag", "params": {"seconds": 60.0}})
    assert sapi.list(label="lagging") == []
    assert sapi.list(id=said["id"], timeout=0)[0]["id"] == said["id"]
    admin.advance(1000)
    admin.faults({"route": "GET /problems", "fault": "early_answer", "nth": 1, "params": {"what": "failed"}})
    assert [sapi.list(id=said["id"])[0]["status"] for _ in range(2)] == ["FAILED", "COMPLETED"]


def test_a_killed_cloud_knows_its_problems_and_gives_the_same_answer(tmp_path):
    emulator = start_emulator(tmp_path / "cloud", speed=3600.0, seed=3)
    sapi = SapiClient(emulator)
    try:
        qubits = sapi.definition()["properties"]["qubits"][:40]
        (said,) = sapi.submit(sapi.problem(dict.fromkeys(qubits, 0.0), num_reads=20, answer_mode="raw"))
        ended = sapi.session.get(f"problems/{said['id']}", params={"timeout": 20}).json()
        emulator.restart()
        assert sapi.session.get(f"problems/{said['id']}", params={"timeout": 20}).json() == ended
        assert ended["status"] == "COMPLETED"
    finally:
        sapi.close()
        emulator.stop()
