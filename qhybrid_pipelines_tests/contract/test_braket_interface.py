"""Braket's face, asked by Amazon's own library: botocore reads every answer by the service's published model."""

from __future__ import annotations

import json
import math

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.session import Session

from qhybrid_pipelines.emulator.process import start_emulator

IBEX = "arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1"
FORTE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
SOURCE = "OPENQASM 3.0; qubit[2] q; bit[2] b; x q[0]; cnot q[0], q[1]; b = measure q;"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("emulator") / "cloud", speed=4000.0, seed=7)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def without_faults(emulator):
    yield
    faults(emulator)
    forte = {"status": "available", "spending_limit_usd": 1e6}
    httpx.put(f"{emulator.admin_url}/backends/ionq.Forte-1", json=forte).raise_for_status()


def client(emulator, service="braket", *, secret=None):
    address = emulator.braket_environment["AWS_ENDPOINT_URL_S3" if service == "s3" else "BRAKET_ENDPOINT"]
    return Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id="any",
        aws_secret_access_key=secret or emulator.key,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def order(token: str, **changes: object) -> dict:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return {
        "clientToken": token,
        "deviceArn": FORTE,
        "shots": 50,
        "outputS3Bucket": "results",
        "outputS3KeyPrefix": "folder/deep er",
        "action": json.dumps({"braketSchemaHeader": header, "source": SOURCE}),
        "tags": {"colour": "blue"},
        **changes,
    }


def faults(emulator, *rules: dict) -> None:
    httpx.put(f"{emulator.admin_url}/faults", json=rules).raise_for_status()


def book(emulator, token: str) -> list[dict]:
    """Return the accepted tasks whose token begins so."""
    jobs = httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"]
    return [job for job in jobs if job["name"].startswith(token)]


def test_the_life_of_a_task_survives_a_kill(emulator):
    braket = client(emulator)
    arn = braket.create_quantum_task(**order("life"))["quantumTaskArn"]
    emulator.restart()
    assert braket.create_quantum_task(**order("life"))["quantumTaskArn"] == arn
    with pytest.raises(ClientError, match="ValidationException"):
        braket.create_quantum_task(**order("life", shots=51))
    httpx.put(f"{emulator.admin_url}/clock", json={"advance_seconds": 3600}).raise_for_status()
    task = braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
    assert (task["status"], task["tags"], task["numSuccessfulShots"]) == ("COMPLETED", {"colour": "blue"}, 50)
    assert task["createdAt"] < task["endedAt"]
    assert task["queueInfo"]["position"] == "None"
    place = {"Bucket": task["outputS3Bucket"], "Key": f"{task['outputS3Directory']}/results.json"}
    storage = client(emulator, "s3")
    result = json.loads(storage.get_object(**place)["Body"].read())
    assert result["measurementProbabilities"]["11"] > 0.8
    assert json.loads(storage.get_object(**place)["Body"].read()) == result
    with pytest.raises(ClientError, match="NoSuchKey"):
        storage.get_object(Bucket="another", Key=place["Key"])
    with pytest.raises(ClientError, match="ConflictException"):
        braket.cancel_quantum_task(quantumTaskArn=arn, clientToken="late")
    [job] = book(emulator, "life")
    assert job["charged_usd"] == pytest.approx(0.30 + 50 * 0.08)


def test_the_life_of_a_program_set(emulator):
    braket, storage = client(emulator), client(emulator, "s3")
    garnet = FORTE.replace("us-east-1", "eu-north-1").replace("ionq/Forte-1", "iqm/Garnet")
    source = "OPENQASM 3.0; input float a; qubit[2] q; bit[2] b; rx(a) q[0]; cnot q[0], q[1]; b = measure q;"
    program = {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": source}

    def asked(token: str, executables: int, **changes: object) -> dict:
        programs = [{**program, "inputs": {"a": [0.0, math.pi] * (executables // 2)}}]
        header = {"name": "braket.ir.openqasm.program_set", "version": "1"}
        action = json.dumps({"braketSchemaHeader": header, "programs": programs})
        return order(token, deviceArn=garnet, action=action, shots=executables * 50) | changes

    actions = json.loads(braket.get_device(deviceArn=garnet)["deviceCapabilities"])["action"]
    assert actions["braket.ir.openqasm.program_set"]["maximumExecutables"] == 100
    arns = [braket.create_quantum_task(**asked(f"set-{size}", size))["quantumTaskArn"] for size in (4, 30)]
    assert braket.create_quantum_task(**asked("set-4", 4))["quantumTaskArn"] == arns[0]
    for changes in ({"shots": 199}, {"deviceArn": IBEX}, asked("set-x", 102), {"shots": 10**7}):
        with pytest.raises(ClientError, match="ValidationException"):
            braket.create_quantum_task(**asked("set-x", 4) | changes)
    httpx.put(f"{emulator.admin_url}/clock", json={"advance_seconds": 3600}).raise_for_status()

    def stored(task: dict, path: str) -> dict:
        key = f"{task['outputS3Directory']}/{path}"
        return json.loads(storage.get_object(Bucket=task["outputS3Bucket"], Key=key)["Body"].read())

    small, large = (braket.get_quantum_task(quantumTaskArn=arn) for arn in arns)
    kind = {"actionType": "braket.ir.openqasm.program_set", "programCount": 1}
    assert (small["status"], small["numSuccessfulShots"]) == ("COMPLETED", 200)
    assert (small["actionMetadata"], large["actionMetadata"]) == (
        kind | {"executableCount": 4},
        kind | {"executableCount": 30},
    )
    [inlined] = stored(small, "results.json")["programResults"]
    result = stored(large, "results.json")
    assert result["s3Location"] == [large["outputS3Bucket"], large["outputS3Directory"]]
    assert stored(large, result["taskMetadata"])["successfulShots"] == 1500
    [path] = result["programResults"]
    folder, names = path.rpartition("/")[0], stored(large, path)["executableResults"]
    for executables in (inlined["executableResults"], [stored(large, f"{folder}/{name}") for name in names]):
        for index, executable in enumerate(executables):
            assert executable["inputsIndex"] == index
            assert len(executable["measurements"]) == 50
            assert (sum(row[0] for row in executable["measurements"]) > 25) == bool(index % 2)
    [job] = book(emulator, "set-30")
    assert job["charged_usd"] == pytest.approx(0.30 + 1500 * 0.00145)


def test_searches_pages_and_positions(emulator):
    httpx.put(f"{emulator.admin_url}/backends/aqt.Ibex-Q1", json={"extra_wait_seconds": 1e8}).raise_for_status()
    braket = client(emulator)
    arns = [braket.create_quantum_task(**order(f"page-{n}", deviceArn=IBEX))["quantumTaskArn"] for n in range(5)]
    httpx.put(f"{emulator.admin_url}/clock", json={"advance_seconds": 60}).raise_for_status()
    ours = {"name": "deviceArn", "operator": "EQUAL", "values": [IBEX]}
    seen, token = [], {}
    while True:
        page = braket.search_quantum_tasks(filters=[ours], maxResults=2, **token)
        seen += [task["quantumTaskArn"] for task in page["quantumTasks"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == arns[::-1]
    for filters, wanted in (
        ([{"name": "quantumTaskArn", "operator": "EQUAL", "values": arns[1:3]}], 2),
        ([{"name": "status", "operator": "EQUAL", "values": ["QUEUED"]}], 5),
        ([{"name": "status", "operator": "EQUAL", "values": ["FAILED"]}], 0),
        ([{"name": "createdAt", "operator": "GTE", "values": ["2020-01-01"]}], 5),
        ([{"name": "createdAt", "operator": "LT", "values": ["2020-01-01"]}], 0),
        ([{"name": "deviceArn", "operator": "EQUAL", "values": ["another"]}], 0),
    ):
        assert len(braket.search_quantum_tasks(filters=[ours, *filters])["quantumTasks"]) == wanted, filters
    info = braket.get_quantum_task(quantumTaskArn=arns[3], additionalAttributeNames=["QueueInfo"])["queueInfo"]
    places = sorted(
        int(
            braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])["queueInfo"]["position"]
        )
        for arn in arns
    )
    assert info["queue"] == "QUANTUM_TASKS_QUEUE"
    assert places == [1, 2, 3, 4, 5]
    assert braket.get_device(deviceArn=IBEX)["deviceQueueInfo"][0]["queueSize"] == "5"
    assert braket.cancel_quantum_task(quantumTaskArn=arns[0], clientToken="c")["cancellationStatus"] == "CANCELLING"
    assert braket.get_quantum_task(quantumTaskArn=arns[0])["status"] == "CANCELLED"
    assert {job["charged_usd"] for job in book(emulator, "page-")} == {0.0}


@pytest.mark.parametrize("drop", [True, False])
def test_a_lost_answer_leaves_one_task(emulator, drop):
    faults(emulator, {"route": "POST /quantum-task", "fault": "after_accept", "nth": 1, "params": {"drop": drop}})
    braket = client(emulator)
    token = f"lost {drop}"
    with pytest.raises(ConnectionClosedError if drop else ClientError):
        braket.create_quantum_task(**order(token))
    braket.create_quantum_task(**order(token))
    assert len(book(emulator, token)) == 1


def test_refusals_have_the_names_of_the_interface(emulator):
    braket = client(emulator)
    device = f"{emulator.admin_url}/backends/ionq.Forte-1"
    for changes, name in (
        ({"status": "paused"}, None),
        ({"status": "unavailable"}, "DeviceOfflineException"),
        ({"status": "retired"}, "DeviceRetiredException"),
        ({"status": "available", "spending_limit_usd": 1}, "ValidationException"),
    ):
        httpx.put(device, json=changes).raise_for_status()
        try:
            braket.create_quantum_task(**order(f"of {name}"))
            said = None
        except ClientError as error:
            said = error.response["Error"]["Code"]
        assert said == name, changes
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client(emulator, secret="another").get_device(deviceArn=FORTE)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(emulator, "s3", secret="another").get_object(Bucket="b", Key="k")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        braket.get_quantum_task(quantumTaskArn="arn:aws:braket:us-east-1:000000000000:quantum-task/none")
    faults(emulator, {"route": "GET /device/{backend}", "backend": "ionq.Forte-1", "fault": "throttle"})
    with pytest.raises(ClientError, match="429"):
        braket.get_device(deviceArn=FORTE)
