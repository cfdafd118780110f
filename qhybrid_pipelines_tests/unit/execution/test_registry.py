"""What adapters declare holds for every backend that they offer."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.execution.braket.tasks import STATES as BRAKET_STATES
from qhybrid_pipelines.execution.ibm.service import STATES as IBM_STATES
from qhybrid_pipelines.execution.ionq.job_queries import STATES as IONQ_STATES
from qhybrid_pipelines.execution.providers.qrmi import STATES as QRMI_STATES
from qhybrid_pipelines.execution.registry import backend_names, build_providers, declaration_of, declarations


@pytest.fixture
def providers(tmp_path):
    """All of them, with one that stands before the others."""
    plan = tmp_path / "chaos" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"seed": 1, "faults": []}))
    return build_providers(tmp_path)


def test_every_backend_belongs_to_a_group(providers):
    assert [name for name in backend_names(providers) if declaration_of(name) is None] == []
    assert any(name.startswith("chaos:") for name in backend_names(providers))
    assert declaration_of("nobody:device") is None
    globs = [declared.backends for declared in declarations()]
    assert len(set(globs)) == len(globs)


@pytest.mark.parametrize("backend", ["local:auto", "local:aer-exact", "ibm:fake_manila", "chaos:local.auto"])
def test_capabilities_say_what_is_declared(providers, backend):
    provider = providers[backend.partition(":")[0]]
    found, declared = provider.capabilities(backend), declaration_of(backend)
    assert found.declared == declared
    fields = declared.capability_fields()
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.region == THIS_MACHINE
    assert (provider.status(backend).queued_jobs or 0) == 0


@pytest.mark.parametrize(
    ("backend", "table"),
    [
        ("ibm:ibm_torino", IBM_STATES),
        ("ionq:qpu.forte-1", IONQ_STATES),
        ("ionq:simulator", IONQ_STATES),
        ("braket:iqm.Garnet", BRAKET_STATES),
        ("qrmi:ibm_fez", QRMI_STATES),
    ],
)
def test_states_are_those_that_the_adapter_translates(backend, table):
    assert set(declaration_of(backend).states) == set(table.values())


def test_nothing_was_run_in_the_future():
    assert [declared for declared in declarations() if declared.evidence_on > datetime.now(UTC).date()] == []


def test_every_field_says_something():
    for declared in declarations():
        empty = [name for name in declared.__slots__ if getattr(declared, name) in ("", None)]
        assert empty == [], declared.backends
