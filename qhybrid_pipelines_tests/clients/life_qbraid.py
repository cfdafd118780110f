"""Life of a job through ``qbraid``: OpenQASM in, counts out; several circuits, a machine with its cost."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

from qbraid.runtime.ionq import IonQProvider

provider = IonQProvider(api_key=sys.argv[2])
provider.session.base_url = sys.argv[1]
assert {device.id for device in provider.get_devices()} >= {"simulator", "qpu.forte-1"}
FLIP = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nx q[{0}];\nh q[{1}];\nh q[{1}];\n'
ids = []


def run(device, programs, **options):
    job = provider.get_device(device).run(programs, **options)
    ids.append(job.id)
    job.wait_for_final_state(timeout=60, poll_interval=1)
    return job


counts = run("simulator", FLIP.format(0, 1), shots=100).result().data.get_counts()
assert counts == {"001": 100}, counts
many = run("simulator", [FLIP.format(at, (at + 1) % 3) for at in range(3)], shots=50).result().data.get_counts()
assert many == [{"001": 50}, {"010": 50}, {"100": 50}], many
job = run("qpu.forte-1", FLIP.format(1, 0), shots=500, error_mitigation={"debiasing": False})
counts = job.result().data.get_counts()
assert max(counts, key=counts.get) == "010", counts
cost = job.cost()
assert cost["cost"]["unit"] == "usd", cost
assert cost["cost"]["value"] > 0, cost

print(json.dumps({"ids": ids}))
