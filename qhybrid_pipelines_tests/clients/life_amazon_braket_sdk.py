"""Life of tasks through ``amazon-braket-sdk``, Amazon's own client: devices, circuits with inputs, program sets, results, cancelling, tokens, searches."""

import json
import math
import os
import sys
import time
import urllib.request
import warnings

url, key = sys.argv[1], sys.argv[2]
os.environ.update(
    BRAKET_ENDPOINT=f"{url}/braket",
    AWS_ENDPOINT_URL_S3=f"{url}/s3",
    AWS_ACCESS_KEY_ID="AKIDLOOPBACK",
    AWS_SECRET_ACCESS_KEY=key,
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    AMZN_BRAKET_OUT_S3_BUCKET="amazon-braket-results",
)
warnings.simplefilter("ignore")

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask
from braket.circuits import Circuit, FreeParameter
from braket.device_schema import DeviceActionType
from braket.devices import LocalSimulator
from braket.ir.openqasm import Program
from braket.ir.openqasm import ProgramSet as OpenQASMProgramSet
from braket.program_sets import CircuitBinding, ProgramSet
from braket.task_result import ProgramSetExecutableFailure

ARNS = {
    "ionq": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
    "iqm": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
    "rigetti": "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3",
    "aqt": "arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1",
}
ids = []


def known(task):
    """Note a task as one of ours."""
    ids.append(task.id.rpartition("/")[2])
    return task


# one asymmetric state on each vendor's device, read back bit by bit: qubit 0 is the leftmost
for vendor, arn in ARNS.items():
    device = AwsDevice(arn)
    assert device.status == "ONLINE", device.status
    assert device.properties.service.deviceCost.unit == "shot"
    assert device.queue_depth().quantum_tasks, device.queue_depth()
    task = known(device.run(Circuit().x(0).x(2).x(2).rx(1, 0.0), shots=200, poll_interval_seconds=0.05))
    result = task.result()
    assert task.state() == "COMPLETED"
    assert sum(result.measurement_counts.values()) == 200
    assert result.measurement_counts.most_common(1)[0][0] == "100", result.measurement_counts
    assert result.measured_qubits == [0, 1, 2]

# a circuit with a parameter, bound by the client, and the same as its own simulator says
theta = FreeParameter("theta")
circuit = Circuit().h(0).cnot(0, 1).rz(1, theta).cnot(0, 1).rx(0, 2 * theta).rx(1, theta).zz(0, 1, theta)
device = AwsDevice(ARNS["ionq"])
task = known(device.run(circuit, shots=4000, inputs={"theta": 0.7}, poll_interval_seconds=0.05))
seen = task.result().measurement_probabilities
ideal = LocalSimulator().run(circuit, shots=40000, inputs={"theta": 0.7}).result().measurement_probabilities
distance = sum(abs(seen.get(state, 0) - ideal.get(state, 0)) for state in set(seen) | set(ideal)) / 2
assert distance < 0.05, (seen, ideal)

# programs as this project writes them mean on Amazon's own simulator what they mean here
source = sys.stdin.read()
if source:
    wanted_of_ours = json.loads(source)
    result = LocalSimulator().run(Program(source=wanted_of_ours["source"]), shots=wanted_of_ours["shots"]).result()
    seen = result.measurement_probabilities
    distance = sum(abs(seen.get(state, 0) - share) for state, share in wanted_of_ours["probabilities"].items()) / 2
    assert distance < 0.03, (distance, seen)

# program sets: circuits with and without inputs in one task, read back in their order, from one object and from a tree of them
turned = Circuit().rx(0, theta).cnot(0, 1)
small = ProgramSet([Circuit().x(1).cnot(1, 0).x(1), CircuitBinding(turned, input_sets={"theta": [0.0, math.pi]})])
large = ProgramSet([CircuitBinding(turned, input_sets={"theta": [0.0, math.pi, math.pi] * 8})])
for vendor, program_set, wanted in (
    ("iqm", small, [["10"], ["00", "11"]]),
    ("rigetti", large, [["00", "11", "11"] * 8]),
    ("ionq", large, [["00", "11", "11"] * 8]),
):
    device = AwsDevice(ARNS[vendor])
    limits = device.properties.action[DeviceActionType.OPENQASM_PROGRAM_SET]
    assert limits.maximumExecutables == 100, limits
    task = known(device.run(program_set, shots=100 * program_set.total_executables, poll_interval_seconds=0.05))
    result = task.result()
    assert task.metadata()["actionMetadata"]["executableCount"] == program_set.total_executables
    assert result.task_metadata.successfulShots == 100 * program_set.total_executables
    seen = [[entry.counts.most_common(1)[0][0] for entry in program.entries] for program in result.entries]
    assert seen == wanted, (vendor, seen)
    assert {sum(entry.counts.values()) for program in result.entries for entry in program.entries} == {100}
assert DeviceActionType.OPENQASM_PROGRAM_SET not in AwsDevice(ARNS["aqt"]).properties.action

# a set as this project writes it, and one of whose circuits some fail: the others have their counts, and each failure its reason
if source:
    ours = OpenQASMProgramSet.parse_raw(wanted_of_ours["set"])
    assert ours.num_executables == len(wanted_of_ours["set_outcomes"])
    result = known(
        AwsDevice(ARNS["rigetti"]).run(ours, shots=50 * ours.num_executables, poll_interval_seconds=0.05)
    ).result()
    [program] = result.entries
    assert [one.counts.most_common(1)[0][0] for one in program.entries] == wanted_of_ours["set_outcomes"]
rule = {"fault": "executables_failed", "route": "POST /quantum-task", "nth": 1, "params": {"message": "No ions."}}
plan = urllib.request.Request(f"{url}/_admin/faults", json.dumps([rule]).encode(), method="PUT")
urllib.request.urlopen(plan).close()
task = known(AwsDevice(ARNS["iqm"]).run(small, shots=30, poll_interval_seconds=0.05))
result = task.result()
entries = [entry for program in result.entries for entry in program.entries]
failed = [entry for entry in entries if isinstance(entry, ProgramSetExecutableFailure)]
assert [one.failureMetadata.failureReason for one in failed] == ["No ions."]
assert [sum(one.counts.values()) for one in entries if one not in failed] == [10, 10]
assert task.metadata()["numSuccessfulShots"] == result.task_metadata.successfulShots == 20
assert result.task_metadata.totalFailedExecutables == 1

# tokens: the same content is the same task, other content is refused; the client repeats nothing here
once = boto3.client(
    "braket",
    region_name="us-east-1",
    endpoint_url=os.environ["BRAKET_ENDPOINT"],
    config=Config(retries={"total_max_attempts": 1}),
)
asked = {
    "clientToken": "token-of-the-client",
    "deviceArn": ARNS["ionq"],
    "shots": 10,
    "outputS3Bucket": "amazon-braket-results",
    "outputS3KeyPrefix": "own",
    "action": Program(source="OPENQASM 3.0; qubit[2] q; bit[2] b; h q[0]; cnot q[0], q[1]; b = measure q;").json(),
    "tags": {"colour": "blue"},
}
first = once.create_quantum_task(**asked)["quantumTaskArn"]
assert once.create_quantum_task(**asked)["quantumTaskArn"] == first
known(AwsQuantumTask(first))
try:
    once.create_quantum_task(**{**asked, "shots": 11})
except ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationException", error.response
else:
    raise AssertionError("a token stood for two tasks")
assert AwsQuantumTask(first).metadata()["tags"] == {"colour": "blue"}
found = once.search_quantum_tasks(filters=[{"name": "quantumTaskArn", "operator": "EQUAL", "values": [first]}])
assert [one["quantumTaskArn"] for one in found["quantumTasks"]] == [first]
pages = [once.search_quantum_tasks(filters=[], maxResults=2)]
while token := pages[-1].get("nextToken"):
    pages.append(once.search_quantum_tasks(filters=[], maxResults=2, nextToken=token))
listed = [one["quantumTaskArn"].rpartition("/")[2] for page in pages for one in page["quantumTasks"]]
assert sorted(listed) == sorted(ids), (listed, ids)
assert {one["providerName"] for one in once.search_devices(filters=[])["devices"]} == {"IonQ", "IQM", "Rigetti", "AQT"}

# cancelling while it waits, and too late
longer = urllib.request.Request(f"{url}/_admin/backends/aqt.Ibex-Q1", b'{"extra_wait_seconds": 1e7}', method="PUT")
urllib.request.urlopen(longer).close()
waiting = known(AwsDevice(ARNS["aqt"]).run(Circuit().h(0).cnot(0, 1), shots=1000))
while waiting.state() != "QUEUED":
    time.sleep(0.05)
assert waiting.queue_position().queue_position == "1", waiting.queue_position()
waiting.cancel()
assert waiting.state() == "CANCELLED", waiting.state()
try:
    once.cancel_quantum_task(quantumTaskArn=task.id, clientToken="late")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ConflictException", error.response
else:
    raise AssertionError("a task that has ended was cancelled")

# what is refused, and by which name
for arn, body, name in (
    (ARNS["iqm"].replace("Garnet", "Ruby"), asked["action"], "ResourceNotFoundException"),
    (ARNS["ionq"], Program(source="OPENQASM 3.0; qubit[1] q; u3(1,2,3) q[0];").json(), "ValidationException"),
    (ARNS["ionq"], "{}", "ValidationException"),
):
    try:
        once.create_quantum_task(
            **{**asked, "clientToken": f"refused-{name}-{len(body)}", "deviceArn": arn, "action": body}
        )
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error.response
    else:
        raise AssertionError(f"{name} was not raised")
os.environ["AWS_SECRET_ACCESS_KEY"] = "another"
try:
    boto3.Session().client("braket", endpoint_url=os.environ["BRAKET_ENDPOINT"]).get_quantum_task(quantumTaskArn=first)
except ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDeniedException", error.response
else:
    raise AssertionError("another key opened")

print(json.dumps({"ids": ids}))
