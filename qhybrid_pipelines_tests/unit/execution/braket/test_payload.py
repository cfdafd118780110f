"""What is sent fits the service's published model, field by field, and tells nothing but circuits."""

from __future__ import annotations

import json

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from qhybrid_pipelines.execution.braket.payload import task_body
from qhybrid_pipelines.execution.braket.programs import GATES, compile_template, programs
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.compile_cache import CompileCache

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


@pytest.mark.parametrize(
    ("shape", "repetitions", "kind", "programs_there"),
    [("single", 1, "program", 1), ("single", 3, "program_set", 3), ("batch", 2, "program_set", 1)],
)
def test_a_submission_fits_the_published_model(shape, repetitions, kind, programs_there, *, tmp_path, monkeypatch):
    monkeypatch.setenv("AMZN_BRAKET_OUT_S3_BUCKET", "results-{region}")
    batch, _ = canary_batch(shape, width=3, qubit=1, backend="braket:iqm.Garnet", shots=50, repetitions=repetitions)
    compiled = compile_template(CompileCache(tmp_path), batch.template, batch.backend, tuple(GATES), level=1, seed=7)
    found = programs(compiled.native, batch.template.parameters, batch.bindings, batch.repetitions)
    sent = json.loads(task_body(batch, found, "token", device_arn=GARNET, region="eu-north-1"))
    model = Session().get_service_model("braket").operation_model("CreateQuantumTask")
    assert ParamValidator().validate(sent, model.input_shape).generate_report() == ""
    assert set(model.input_shape.required_members) <= set(sent) <= set(model.input_shape.members)
    circuits = batch.points * batch.repetitions
    assert (sent["shots"], sent["clientToken"], sent["outputS3Bucket"]) == (
        50 * circuits,
        "token",
        "results-eu-north-1",
    )
    action = json.loads(sent["action"])
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    assert action.pop("braketSchemaHeader") == header | {"name": f"braket.ir.openqasm.{kind}"}
    entries = [action] if kind == "program" else action["programs"]
    assert len(entries) == programs_there
    for entry in entries:
        assert set(entry) - {"inputs", "braketSchemaHeader"} == {"source"}
        assert {len(numbers) for numbers in entry.get("inputs", {}).values()} <= {circuits}
        assert kind == "program" or entry["braketSchemaHeader"] == header
    assert batch.experiment not in json.dumps(sent)
