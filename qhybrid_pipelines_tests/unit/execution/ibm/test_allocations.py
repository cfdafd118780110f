import pytest

from qhybrid_pipelines.execution.ibm.allocations import allocated_devices
from qhybrid_pipelines.execution.ibm.service import Service

NAMES = ("RESOURCES", "TYPES")


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(f"QRMI_JOB_QPU_{name}", raising=False)
        monkeypatch.delenv(f"SLURM_JOB_QPU_{name}", raising=False)


def allocate(monkeypatch, prefix, resources, types):
    for name, value in zip(NAMES, (resources, types), strict=True):
        monkeypatch.setenv(f"{prefix}_JOB_QPU_{name}", value)


@pytest.mark.parametrize("prefix", ["QRMI", "SLURM"])
@pytest.mark.parametrize(
    ("resources", "types", "devices"),
    [
        ("ibm_fez", "qiskit-runtime-service", ("ibm_fez",)),
        ("FRESNEL,ibm_fez, ibm_torino", "pasqal-cloud,qiskit-runtime-service,qiskit-runtime-service",
         ("ibm_fez", "ibm_torino")),
        ("ibm_fez", "direct-access", ()),
        ("ibm_fez,ibm_torino", "ibm-quantum-compute-service", ("ibm_fez",)),
        ("", "", ()),
    ],
)  # fmt: skip
def test_devices_of_the_service_are_told_from_others(monkeypatch, prefix, resources, types, devices):
    allocate(monkeypatch, prefix, resources, types)
    assert allocated_devices() == devices


def test_the_newer_names_go_first(monkeypatch):
    allocate(monkeypatch, "SLURM", "ibm_old", "qiskit-runtime-service")
    allocate(monkeypatch, "QRMI", "ibm_new", "qiskit-runtime-service")
    assert allocated_devices() == ("ibm_new",)


def test_they_are_backends_beside_those_that_are_named_and_need_a_key(monkeypatch):
    allocate(monkeypatch, "QRMI", "ibm_fez,ibm_torino", "qiskit-runtime-service,qiskit-runtime-service")
    monkeypatch.setenv("QISKIT_IBM_BACKENDS", "ibm_torino")
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    monkeypatch.delenv("QISKIT_IBM_TOKEN_FILE", raising=False)
    assert Service.backends() == ()
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "a-planted-key")
    assert Service.backends() == ("ibm:ibm_torino", "ibm:ibm_fez")
