"""What is special about the local provider: one result per token whatever happens, and counts without a clock."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.registry import backend_names, build_providers
from qhybrid_pipelines.execution.results import read_counts


def qaoa(backend="local:auto", **changes):
    return canary_batch("qaoa", width=6, qubit=2, backend=backend, **changes)[0]


def test_the_engine_is_chosen_and_recorded(tmp_path):
    provider = LocalProvider(tmp_path)
    for shape, engine in (("qaoa", "diagonal-qaoa"), ("batch", "lightning")):
        batch = canary_batch(shape, width=4, qubit=0, backend="local:auto")[0]
        raw = provider.fetch(provider.submit(batch, f"token-{shape}"))
        details = provider.details(raw)
        assert details["engine"] == engine
        assert details["engine_version"]
        assert details["compile_seconds"] >= 0
        assert details["execute_seconds"] > 0
        assert details["submitted_at"] <= details["started_at"] <= details["completed_at"]


def test_a_named_engine_is_never_replaced_by_another(tmp_path):
    provider = LocalProvider(tmp_path)
    plain = canary_batch("single", width=4, qubit=0, backend="local:diagonal-qaoa")[0]
    with pytest.raises(Rejected, match="diagonal-qaoa: the batch has no QAOA structure"):
        provider.submit(plain, "token")
    assert provider.find("local:diagonal-qaoa", "token") is None
    with pytest.raises(Rejected, match="no backend 'local:nothing'"):
        provider.submit(replace(plain, backend="local:nothing"), "token")


def test_counts_are_the_same_bytes_whenever_and_under_whatever_token_they_are_made(tmp_path):
    provider, batch = LocalProvider(tmp_path), qaoa(shots=1000, repetitions=3)
    raws = [provider.fetch(provider.submit(batch, token)) for token in ("one", "two")]
    assert raws[0].content != raws[1].content  # times and job differ
    assert read_counts(raws[0].content).equals(read_counts(raws[1].content), check_metadata=True)
    assert provider.details(raws[0])["counts_sha256"] == provider.details(raws[1])["counts_sha256"]


def test_a_token_belongs_to_one_backend(tmp_path):
    provider = LocalProvider(tmp_path)
    provider.submit(qaoa(), "token")
    assert provider.find("local:aer-exact", "token") is None
    with pytest.raises(Rejected, match="another batch"):
        provider.submit(qaoa("local:aer-exact"), "token")


def test_a_damaged_file_is_a_failed_job_and_not_a_crash(tmp_path):
    provider = LocalProvider(tmp_path)
    ref = provider.submit(qaoa(), "token")
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    [snapshot] = provider.poll([ref])
    assert snapshot.state is JobState.FAILED
    assert snapshot.raw_status == "unreadable"


def test_references_cannot_leave_the_folder(tmp_path):
    provider = LocalProvider(tmp_path / "local")
    (tmp_path / "secret.arrow").write_bytes(b"secret")
    with pytest.raises(Rejected, match="no job"):
        provider.fetch(JobRef(provider="local", backend="local:auto", provider_job_id="../secret"))


SUBMIT = """
import sys, pathlib
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.local import LocalProvider
provider = LocalProvider(pathlib.Path(sys.argv[1]))
batch, _ = canary_batch("qaoa", width=12, qubit=2, backend="local:auto", repetitions=5)
print("ready", flush=True)
sys.stdin.readline()
ref = provider.submit(batch, "token")
print(ref.provider_job_id, provider.fetch(ref).sha256)
"""


def test_two_racing_processes_give_one_job_with_one_result(tmp_path):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n", "ready\n"]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    first, second = (racer.communicate()[0] for racer in racers)
    assert first == second != ""
    assert len(list(tmp_path.iterdir())) == 1


KILLED = """
import os, signal, sys, pathlib
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.local import LocalProvider
provider = LocalProvider(pathlib.Path(sys.argv[1]))
real = getattr(os, sys.argv[2])
setattr(os, sys.argv[2], lambda *args: os.kill(os.getpid(), signal.SIGKILL))
provider.submit(canary_batch("qaoa", width=6, qubit=2, backend="local:auto")[0], "token")
"""


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_kill_before_the_result_has_its_name_leaves_no_job_and_no_litter(tmp_path, step):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), step], check=False)
    assert killed.returncode == -signal.SIGKILL
    [litter] = tmp_path.iterdir()
    assert litter.suffix == ".tmp"
    provider = LocalProvider(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert provider.find("local:auto", "token") is None
    ref = provider.submit(qaoa(), "token")
    assert provider.find("local:auto", "token") == ref


def test_the_registry_finds_it(tmp_path):
    providers = build_providers(tmp_path)
    assert "local:auto" in backend_names(providers)
    assert providers["local"].name == "local"
    assert list(tmp_path.iterdir()) == []  # building writes nothing


def test_running_qaoa_needs_no_circuit_library(tmp_path):
    script = (
        SUBMIT.replace("sys.stdin.readline()", "") + "print([n for n in ('qiskit', 'qiskit_aer') if n in sys.modules])"
    )
    told = subprocess.check_output([sys.executable, "-c", script, str(tmp_path)], text=True)
    assert told.splitlines()[-1] == "[]"
