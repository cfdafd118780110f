"""Whole life of QRMI, with which computing centres reach QPUs, at the emulated cloud over plain HTTP.

Standard input has the service instance, and the parameters of a job.
"""

from __future__ import annotations

import json
import os
import sys
import time

ADDRESS, KEY = sys.argv[1:3]
GIVEN = json.load(sys.stdin)
NAME = "ibm_manila"
DONE_SECONDS = 120


def set_environment(kind: str) -> None:
    for name, value in {
        "ENDPOINT": f"{ADDRESS}/ibm/api/v1",
        "IAM_ENDPOINT": f"{ADDRESS}/ibm",
        "IAM_APIKEY": KEY,
        "SERVICE_CRN": GIVEN["instance"],
    }.items():
        os.environ[f"{NAME}_QRMI_IBM_{kind}_{name}"] = value


set_environment("QCS")
set_environment("QRS")

from qrmi import Payload, QuantumResource, ResourceType, TaskStatus  # noqa: E402 - it reads the environment


def run(resource: QuantumResource) -> str:
    payload = Payload.QiskitPrimitive(input=json.dumps(GIVEN["params"]), program_id="sampler")
    return resource.task_start(payload)


def main() -> None:
    ids = []
    for kind in (ResourceType.IBMQuantumComputeService, ResourceType.IBMQiskitRuntimeService):
        resource = QuantumResource(NAME, kind)
        target = json.loads(resource.target().value)
        assert target["configuration"]["n_qubits"] == 5
        assert target["properties"]["backend_name"] == NAME
        token = resource.acquire()
        ids.append(run(resource))
        until = time.monotonic() + DONE_SECONDS
        while resource.task_status(ids[-1]) in (TaskStatus.Queued, TaskStatus.Running):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert resource.task_status(ids[-1]) == TaskStatus.Completed
        result = resource.task_result(ids[-1]).value
        assert json.loads(result)["__type__"] == "PrimitiveResult", result[:200]
        assert ids[-1] in resource.task_logs(ids[-1])
        resource.task_stop(ids[-1])
        ids.append(run(resource))
        resource.task_stop(ids[-1])
        print(kind, resource.metadata(), resource.status(), file=sys.stderr)
        resource.release(token)
    print(json.dumps({"ids": ids}))


main()
