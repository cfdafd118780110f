"""Life of a job through ``ionq-core``, the client that IonQ generates from its interface's description: every typed answer is read."""

import json
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore", UserWarning)  # the address is this machine's, without TLS

import ionq_core
from ionq_core.api.backends import get_backend, get_backends
from ionq_core.api.characterizations import get_characterizations_for_backend
from ionq_core.api.default import cancel_job, create_job, delete_job, estimate_job_cost, get_job, get_job_cost, get_jobs
from ionq_core.api.whoami import get_whoami
from ionq_core.models.circuit_job_creation_payload import CircuitJobCreationPayload
from ionq_core.models.json_multi_circuit_job import JSONMultiCircuitJob

october = not version("ionq-core").startswith("0.1.")
client = ionq_core.IonQClient(api_key=sys.argv[2], base_url=sys.argv[1], max_retries=0, raise_on_unexpected_status=True)
ids = []


def raw(path):
    """Return what an address answers, where the typed client reads no more than its status."""
    answer = client.get_httpx_client().get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


def run(payload):
    created = create_job.sync(client=client, body=payload)
    ids.append(created.id)
    return ionq_core.wait_for_job(client, created.id, poll_interval=0.1, timeout=60)


assert get_whoami.sync(client=client).key_name
listed = get_backends.sync(client=client)
assert {one.backend for one in listed} >= {"simulator", "qpu.forte-1"}, listed
assert get_backend.sync("qpu.forte-1", client=client).qubits == 36
assert get_characterizations_for_backend.sync("qpu.forte-1", client=client).characterizations[0].id

estimate = estimate_job_cost.sync(
    client=client, backend="qpu.forte-1", qubits=2, shots=100, field_1q_gates=4, field_2q_gates=2
)
minimum = estimate.rate_card.rates[0].job_cost_minimum if october else estimate.rate_information.job_cost_minimum
total = estimate.estimated_total_cost if october else estimate.estimated_cost
assert abs(total - max(minimum, 100 * (4 * 0.0001645 + 2 * 0.001121))) < 1e-3, estimate

bell = {
    "type": "ionq.circuit.v1",
    "backend": "simulator",
    "shots": 100,
    "name": "bell",
    "metadata": {"k": "v"},
    "input": {
        "gateset": "qis",
        "qubits": 2,
        "circuit": [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}],
    },
}
job = run(CircuitJobCreationPayload.from_dict(bell))
assert (job.status, job.name, job.metadata.to_dict()) == ("completed", "bell", {"k": "v"}), job
shares = raw(f"/jobs/{job.id}/results/probabilities")
assert set(shares) == {"0", "3"}, shares
if october:
    assert not isinstance(job.shots, int), "an ideal job states no shots"
    assert abs(shares["0"] - 0.5) < 1e-12, "an ideal job is exact"
    formats = job.results.additional_properties
    for form, artifact in formats.items():
        payload = raw(f"/jobs/{job.id}/artifacts/{artifact.id}")
        bits = payload if form.endswith("v1") else payload["probabilities"]["registers"]["output_all"]
        assert set(bits) == ({"0", "3"} if form.endswith("v1") else {"00", "11"}), (form, payload)
    assert len(formats) == 2, formats

machine = run(CircuitJobCreationPayload.from_dict({**bell, "backend": "qpu.forte-1"}))
assert machine.shots == 100
cost = get_job_cost.sync(machine.id, client=client)
assert (cost.cost.value, cost.cost.unit) == (minimum, "usd"), cost
if october:
    formats = machine.results.additional_properties
    histogram = raw(f"/jobs/{machine.id}/artifacts/{formats['ionq.result.histogram.json.v1'].id}")
    registers = raw(f"/jobs/{machine.id}/artifacts/{formats['ionq.result.histogram.json.v2'].id}")
    shots = raw(f"/jobs/{machine.id}/artifacts/{formats['ionq.result.shots.json.v1'].id}")
    shots_v2 = raw(f"/jobs/{machine.id}/artifacts/{formats['ionq.result.shots.json.v2'].id}")["shots"]
    assert sum(histogram.values()) == len(shots) == len(shots_v2) == 100
    assert {int(bits, 2): count for bits, count in registers["histogram"]["registers"]["output_all"].items()} == {
        int(state): count for state, count in histogram.items()
    }
    assert [int("".join(map(str, one["registers"]["output_all"])), 2) for one in shots_v2] == list(map(int, shots))

circuits = [
    {"name": "override", "gateset": "qis", "circuit": [{"gate": "x", "target": 1}]},
    {
        "name": "native",
        "circuit": [
            {"gate": "ms", "targets": [0, 1], "phases": [0, 0.25]},
            {"gate": "gpi2", "target": 0, "phase": 0.75},
        ],
    },
]
several = {
    "type": "ionq.multi-circuit.v1",
    "backend": "simulator",
    "shots": 200,
    "input": {"gateset": "native", "qubits": 2, "circuits": circuits},
}
parent = run(JSONMultiCircuitJob.from_dict(several))
assert len(parent.child_job_ids) == 2, parent
shares = raw(f"/jobs/{parent.id}/results/probabilities")
assert shares[parent.child_job_ids[0]] == {"2": 1.0}, shares
if october:
    artifact = parent.results.additional_properties["ionq.result.probabilities-aggregate.json.v1"]
    assert raw(f"/jobs/{parent.id}/artifacts/{artifact.id}") == shares
children = get_jobs.sync(client=client, parent_job_id=parent.id).jobs
assert [child.name for child in children] == ["override", "native"], children
assert {one.id for one in ionq_core.iter_jobs(client)} >= set(ids)

cancelled = create_job.sync(client=client, body=CircuitJobCreationPayload.from_dict({**bell, "backend": "qpu.forte-1"}))
ids.append(cancelled.id)
try:
    assert cancel_job.sync(cancelled.id, client=client).id == cancelled.id
except TypeError:
    # On a loaded machine the job may have ended before: the emulator then says how it stands, for which this client has no word.
    assert get_job.sync(cancelled.id, client=client).status == "completed"
else:
    assert get_job.sync(cancelled.id, client=client).status == "canceled"
assert delete_job.sync(cancelled.id, client=client).id == cancelled.id

print(json.dumps({"ids": ids}))
