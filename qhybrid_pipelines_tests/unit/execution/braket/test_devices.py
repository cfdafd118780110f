"""Names of devices, and what is read from their capabilities."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.core.errors import InvalidInput, Rejected, Unavailable
from qhybrid_pipelines.execution.braket.client import BraketClient
from qhybrid_pipelines.execution.braket.devices import Devices, device_arn, device_arns, read_device
from qhybrid_pipelines.execution.braket.payload import bucket_name

ARN = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


def stated(**service: object) -> dict[str, str]:
    properties = {"shotsRange": [1, 20_000], "executionWindows": [], **service}
    action = {"braket.ir.openqasm.program": {"supportedOperations": ["cz", "rx", "rz", "prx"]}}
    text = json.dumps({"service": properties, "paradigm": {"qubitCount": 20}, "action": action})
    return {"deviceArn": ARN, "deviceCapabilities": text}


def test_devices_are_named_after_vendor_and_device(monkeypatch):
    assert device_arn("braket:iqm.Garnet") == ARN
    with pytest.raises(Rejected, match="BRAKET_DEVICE_ARNS names further devices"):
        device_arn("braket:iqm.Ruby")
    monkeypatch.setenv("BRAKET_DEVICE_ARNS", f" {ARN.replace('Garnet', 'Ruby')} ,")
    assert device_arn("braket:iqm.Ruby").endswith("/Ruby")


@pytest.mark.parametrize("arn", ["Garnet", "arn:aws:braket:::device/quantum-simulator/amazon/sv1", ARN + "/x"])
def test_an_arn_that_is_not_of_a_quantum_device_is_named(arn, monkeypatch):
    monkeypatch.setenv("BRAKET_DEVICE_ARNS", arn)
    with pytest.raises(InvalidInput, match="BRAKET_DEVICE_ARNS has") as wrong:
        device_arns()
    assert arn in str(wrong.value)


def test_windows_are_told_in_words_and_prices_with_their_unit():
    windows = [
        {"executionDay": "Weekdays", "windowStartHour": "08:00:00", "windowEndHour": "17:00:00"},
        {"executionDay": "Sunday", "windowStartHour": "09:00:00", "windowEndHour": "10:00:00"},
    ]
    device = read_device(ARN, stated(executionWindows=windows, deviceCost={"price": 0.25, "unit": "minute"}))
    assert device.windows == "runs tasks Weekdays 08:00:00-17:00:00 UTC, Sunday 09:00:00-10:00:00 UTC"
    assert device.price == (0.25, "minute")
    assert device.gates == ("cz", "rx", "rz")
    assert device.shots == (1, 20_000)
    assert device.updated_at is None


@pytest.mark.parametrize(
    ("sets", "limits"),
    [
        ({"maximumExecutables": 100, "maximumTotalShots": 200_000}, (100, (1, 200_000))),
        ({"maximumExecutables": 50, "maximumTotalShots": 20_000, "minimumTotalShots": 500}, (50, (500, 20_000))),
        ({"maximumExecutables": 1, "maximumTotalShots": 200_000}, None),
        ({"maximumExecutables": 100, "maximumTotalShots": 10_000}, None),
    ],
)
def test_program_sets_are_taken_as_the_device_says(sets, limits):
    said = stated()
    capabilities = json.loads(said["deviceCapabilities"])
    assert read_device(ARN, said).sets is None
    capabilities["action"]["braket.ir.openqasm.program_set"] = sets
    found = read_device(ARN, said | {"deviceCapabilities": json.dumps(capabilities)}).sets
    assert (found and (found.circuits, found.shots)) == limits


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"deviceCapabilities": "{"},
        {"deviceCapabilities": "[]"},
        {"deviceCapabilities": "[" * 200_000},
        stated(shotsRange=[1]),
        stated(shotsRange=[1, float("inf")]),
        stated(deviceCost={"price": -0.01, "unit": "shot"}),
        stated(deviceCost={"price": float("nan"), "unit": "shot"}),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_unavailable(said):
    with pytest.raises(Unavailable, match="capabilities of"):
        read_device(ARN, said)


@pytest.mark.parametrize("odd", ["soon", 1e30, float("inf"), [1], None])
def test_a_time_that_cannot_be_read_counts_as_missing(odd, monkeypatch):
    assert read_device(ARN, stated(updatedAt=odd)).updated_at is None
    answer = {"deviceStatus": "PAUSED", "deviceStatusReason": {"reason": "MAINTENANCE", "estimatedEndAt": odd}}
    monkeypatch.setattr(BraketClient, "device", lambda *_: answer)
    assert Devices().status("braket:iqm.Garnet").reason == "PAUSED: MAINTENANCE"


def test_a_bucket_may_be_named_after_its_region(monkeypatch):
    monkeypatch.setenv("AMZN_BRAKET_OUT_S3_BUCKET", "results-{region}")
    assert bucket_name("eu-north-1") == "results-eu-north-1"
    monkeypatch.setenv("AMZN_BRAKET_OUT_S3_BUCKET", "s3://results")
    with pytest.raises(InvalidInput, match="not the name of a bucket"):
        bucket_name("eu-north-1")
