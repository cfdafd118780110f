"""Life of a job through ``pennylane-ionq``: counts, expectation values, a gradient by parameter shift, several circuits, a machine."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import pennylane as qml
import pennylane_ionq.api_client as api
from pennylane import numpy as np

api.APIClient.HOSTNAME = sys.argv[1].removeprefix("http://")
api.APIClient.BASE_URL = sys.argv[1]
ids = []
submit = api.ResourceManager.create


def remembering(self, *arguments, **options):
    submit(self, *arguments, **options)
    ids.append(self.resource.id.value)


api.ResourceManager.create = remembering


def device(kind, wires=2, **options):
    return qml.device(kind, wires=wires, api_key=sys.argv[2], **options)


@qml.qnode(device("ionq.simulator"), shots=1000)
def turned(angle):
    qml.RX(angle, wires=0)
    qml.CNOT(wires=[0, 1])
    return qml.expval(qml.PauliZ(0))


assert abs(turned(np.array(0.6, requires_grad=True)) - np.cos(0.6)) < 0.15
slope = qml.grad(turned)(np.array(0.6, requires_grad=True))
assert abs(slope + np.sin(0.6)) < 0.2, slope


@qml.qnode(device("ionq.simulator", wires=3), shots=100)
def flipped():
    qml.PauliX(wires=1)
    return qml.counts(wires=[0, 1, 2])


counts = flipped()
assert {str(bits): int(count) for bits, count in counts.items()} == {"010": 100}, counts


@qml.qnode(device("ionq.qpu", backend="forte-1"), shots=500)
def machine():
    qml.PauliX(wires=0)
    return qml.probs(wires=[0, 1])


shares = machine()
assert int(np.argmax(shares)) == 0b10, shares

print(json.dumps({"ids": ids}))
