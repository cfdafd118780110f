"""IBM's fake devices: a real compiler, a real device's noise, and the same counts for the same batch."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ibm.fakes import fake_device
from qhybrid_pipelines.execution.ibm.noise import narrow_target, noise_model_for
from qhybrid_pipelines.execution.ibm.simulation import method_for, sample
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.registry import backend_names, build_providers

MANILA = "ibm:fake_manila"


def table(provider, batch, token="token"):
    """Counts as an array of shape (points, repetitions, outcomes)."""
    counts = provider.decode(provider.fetch(provider.submit(batch, token)), batch)
    found = np.zeros((batch.points, batch.repetitions, 1 << batch.template.n_qubits), dtype=np.int64)
    point, repetition, bits, count = (counts.column(n).to_numpy() for n in ("point", "repetition", "bits", "count"))
    found[point, repetition, bits] = count
    return found


def turned(backend, shots=2000, repetitions=3):
    """Three qubits, none like another: P(1) of 0.1, 0.5 and 0.8 on qubits 0, 1, 2, mirrored at the second point."""
    batch, _ = canary_batch("batch", width=3, qubit=0, backend=backend, shots=shots, repetitions=repetitions)
    angles = 2 * np.arcsin(np.sqrt([0.1, 0.5, 0.8]))
    return replace(batch, bindings=np.stack([angles, angles[::-1]]), seeds=batch.seeds[:2])


@pytest.fixture(scope="module")
def manila(tmp_path_factory):
    return IbmProvider(tmp_path_factory.mktemp("ibm"))


def test_every_bit_stands_at_its_own_place(manila):
    batch = turned(MANILA)
    found = table(manila, batch, "asymmetric")
    assert (found.sum(axis=2) == batch.shots).all()
    ones = np.array([[(np.arange(8) >> q & 1) @ found[p].sum(axis=0) for q in range(3)] for p in range(2)])
    expected = np.array([[0.1, 0.5, 0.8], [0.8, 0.5, 0.1]])
    assert np.abs(ones / (batch.shots * batch.repetitions) - expected).max() < 0.07  # readout errors move it


def test_the_same_batch_gives_the_same_counts_and_other_seeds_give_others(manila, tmp_path):
    batch = turned(MANILA, shots=500)
    found = table(manila, batch, "same")
    assert (found == table(IbmProvider(tmp_path), batch, "another token")).all()
    assert (found[:, 0] != found[:, 1]).any()
    assert (found != table(manila, replace(batch, seeds=batch.seeds + np.uint64(1)), "seeds")).any()


def test_repetitions_vary_as_independent_runs_do(manila):
    """The variance of counts between repetitions is binomial: slices of one run are independent runs."""
    batch = turned(MANILA, shots=400, repetitions=60)
    found = table(manila, batch, "spread")
    share = found[:, :, 1::2].sum(axis=2)  # qubit 0
    p = share.mean(axis=1) / batch.shots
    ratio = share.var(axis=1, ddof=1) / (batch.shots * p * (1 - p))
    assert ((ratio > 0.5) & (ratio < 1.7)).all()  # chi-square with 59 degrees of freedom: 0.9998 within


def ghz(backend, width, shots):
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"bit[{width}] c;", f"qubit[{width}] q;", "h q[0];"]
    lines += [f"cx q[{i}], q[{i + 1}];" for i in range(width - 1)]
    lines += [f"c[{i}] = measure q[{i}];" for i in range(width)]
    batch, _ = canary_batch("single", width=width, qubit=0, backend=backend, shots=shots)
    return replace(batch, template=Template(text="\n".join([*lines, ""]), parameters=(), n_qubits=width))


def test_noise_is_seen_and_is_of_the_devices_size(manila, tmp_path):
    shots = 8000
    noisy = table(manila, ghz(MANILA, 5, shots), "ghz")[0, 0] / shots
    ideal = table(LocalProvider(tmp_path), ghz("local:aer-exact", 5, shots))[0, 0] / shots
    distance = np.abs(noisy - ideal).sum() / 2
    # Five readouts of 2-4 % each and four CNOTs of 1 %: about 0.15 of the shots.
    assert 0.05 < distance < 0.35
    assert noisy[0] + noisy[-1] > 0.65


def test_shots_are_those_of_the_vendors_own_local_testing_mode():
    """The vendor's sampler, deprecated in its releases since 0.50, draws what we draw without it."""
    import warnings

    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime import SamplerV2

    from qhybrid_pipelines.execution.ibm.simulation import FUSION_QUBITS, MAX_SIMULATED_QUBITS, sample

    circuit = QuantumCircuit.from_qasm_str(
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[3]; creg c[3]; h q[0]; cx q[0],q[1]; rx(0.7) q[2]; measure q -> c;'
    )
    noise = full_noise("fake_manila")
    ours = sample(circuit, np.empty((2, 0)), shots=200, seed=11, noise=noise, method="density_matrix")
    simulator = AerSimulator(
        noise_model=noise,
        method="density_matrix",
        fusion_threshold=FUSION_QUBITS,
        max_parallel_shots=1,
        statevector_parallel_threshold=2 * MAX_SIMULATED_QUBITS + 1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        sampler = SamplerV2(mode=simulator, options={"default_shots": 200, "simulator": {"seed_simulator": 11}})
        [theirs] = sampler.run([(circuit, np.empty((2, 0)))]).result()
    assert np.array_equal(ours, theirs.data.c.array)


def full_noise(name):
    from qiskit_aer.noise import NoiseModel
    from qiskit_ibm_runtime import fake_provider

    return NoiseModel.from_backend(getattr(fake_provider, {"fake_manila": "FakeManilaV2"}.get(name, name))())


def test_restricted_noise_is_the_full_models_error_by_error():
    used = (3, 1, 2)
    full, ours = full_noise("fake_manila"), noise_model_for(fake_device("fake_manila").target, used)
    place = {qubit: position for position, qubit in enumerate(used)}

    def kept(errors):
        return {
            name: {tuple(place[q] for q in qubits): e for qubits, e in by.items() if set(qubits) <= set(used)}
            for name, by in errors.items()
        }

    theirs = kept(full._local_quantum_errors)
    assert ours._local_quantum_errors.keys() == theirs.keys() >= {"cx", "sx", "x"}
    for name, by in theirs.items():
        assert ours._local_quantum_errors[name].keys() == by.keys()
        assert all(ours._local_quantum_errors[name][qubits] == error for qubits, error in by.items()), name
    readout = {
        tuple(place[q] for q in qubits): e for qubits, e in full._local_readout_errors.items() if qubits[0] in place
    }
    assert ours._local_readout_errors == readout


def test_restricted_noise_gives_the_full_devices_distribution():
    """A small circuit on qubits 1-3 of the whole device and on the narrowed one, compared by chi-square."""
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
    from scipy.stats import chi2_contingency

    def circuit(width, first):
        made = QuantumCircuit(QuantumRegister(width), ClassicalRegister(3, "c"))
        q = range(first, first + 3)
        made.sx(q[0])
        for _ in range(8):
            made.cx(q[0], q[1])
            made.cx(q[1], q[2])
            made.x(q[2])
        made.measure(q, range(3))
        return made

    none = np.empty((1, 0))
    target, shots = fake_device("fake_manila").target, 40_000
    narrow = noise_model_for(target, (1, 2, 3))
    ours = sample(circuit(3, 0), none, shots=shots, seed=5, noise=narrow, method="density_matrix")
    whole = sample(circuit(5, 1), none, shots=shots, seed=6, noise=full_noise("fake_manila"), method="density_matrix")
    by_shot = sample(circuit(3, 0), none, shots=2000, seed=7, noise=narrow, method="statevector")
    for other in (whole, by_shot):
        observed = [np.bincount(shots_.ravel(), minlength=8) for shots_ in (ours, other)]
        assert chi2_contingency(observed).pvalue > 1e-4
    ideal = sample(circuit(3, 0), none, shots=shots, seed=5, noise=None, method="density_matrix")
    assert chi2_contingency([np.bincount(shots_.ravel(), minlength=8) + 1 for shots_ in (ours, ideal)]).pvalue < 1e-100


def test_a_narrowed_device_keeps_figures_and_couplings():
    target = fake_device("fake_manila").target
    narrow = narrow_target(target, (1, 2))
    assert narrow.num_qubits == 2
    assert narrow["cx"][0, 1] == target["cx"][1, 2]
    assert narrow.qubit_properties[0].t1 == target.qubit_properties[1].t1
    assert "if_else" not in narrow.operation_names


def test_wide_or_unknown_is_refused_before_anything_runs(manila):
    wide, _ = canary_batch("single", width=6, qubit=0, backend=MANILA)
    for call in (
        lambda: manila.submit(wide, "wide"),
        lambda: manila.prepare(wide.template, MANILA, level=1, seed=1),
    ):
        with pytest.raises(Rejected, match="6 qubits are more than 5, the most that ibm:fake_manila takes"):
            call()
    assert manila.find(MANILA, "wide") is None
    with pytest.raises(Rejected, match=r"no backend 'ibm:fake_atlantis'; there are ibm:fake_manila"):
        manila.capabilities("ibm:fake_atlantis")
    with pytest.raises(Rejected, match="100001 shots"):
        manila.submit(canary_batch("single", width=2, qubit=0, backend=MANILA, shots=100_001)[0], "shots")


def test_the_method_depends_on_nothing_but_width_and_shots():
    assert method_for(8, 256) == "density_matrix"
    assert method_for(8, 255) == "statevector"
    assert method_for(13, 10**6) == "statevector"


def test_capabilities_are_the_devices_own(manila):
    known = manila.capabilities(MANILA)
    assert (known.max_qubits, known.max_shots, known.max_circuits_per_job) == (5, 100_000, 300)
    assert (known.mode, known.immediate, known.noisy, known.dedupe) == ("local-testing", True, True, "token")
    assert set(known.native_gates) == {"id", "rz", "sx", "x", "cx"}
    assert manila.estimate(turned(MANILA)).high_usd == 0
    assert manila.status(MANILA).online


def test_what_a_result_says_about_itself(manila):
    batch = turned(MANILA, shots=200)
    raw = manila.fetch(manila.submit(batch, "details"))
    said = manila.details(raw)
    assert said["engine"] == "fake_manila, local testing"
    assert "qiskit-ibm-runtime" in said["engine_version"]
    assert said["calibration_id"] == manila.calibration(MANILA).calibration_id
    assert said["compiled_sha256"] == manila.prepare(batch.template, MANILA, level=3, seed=7).compiled_sha256
    assert len(said["physical_qubits"]) == 3
    assert said["execute_seconds"] > 0
    assert said["submitted_at"] <= said["started_at"] <= said["completed_at"]


def test_one_template_is_compiled_once_for_all_its_jobs(tmp_path):
    provider = IbmProvider(tmp_path)
    for job in range(3):
        batch = turned(MANILA, shots=50)
        provider.submit(replace(batch, bindings=batch.bindings + job), f"token-{job}")
    assert (provider.local.cache.statistics.misses, provider.local.cache.statistics.memory_hits) == (1, 2)


KILLED = """
import os, signal, sys, pathlib
from qhybrid_pipelines.execution import stored_jobs
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
provider = IbmProvider(pathlib.Path(sys.argv[1]))
stored_jobs.encode = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
provider.submit(canary_batch("single", width=3, qubit=1, backend="ibm:fake_manila")[0], "token")
"""


def test_a_kill_between_simulating_and_keeping_loses_and_doubles_nothing(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    provider = IbmProvider(tmp_path)
    assert provider.find(MANILA, "token") is None
    batch = canary_batch("single", width=3, qubit=1, backend=MANILA)[0]
    ref = provider.submit(batch, "token")
    assert provider.local.cache.statistics.disk_hits == 1  # what was compiled before the kill is still there
    assert IbmProvider(tmp_path).find(MANILA, "token") == ref
    [snapshot] = provider.poll([ref])
    assert snapshot.state is JobState.COMPLETED
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_listing_backends_loads_no_vendor(tmp_path):
    assert MANILA in backend_names(build_providers(tmp_path))
    script = (
        "import sys, pathlib; from qhybrid_pipelines.execution.registry import *; "
        f"print(len(backend_names(build_providers(pathlib.Path({str(tmp_path)!r}))))); "
        "print([n for n in ('qiskit', 'qiskit_aer', 'qiskit_ibm_runtime') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).splitlines()[-1] == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_wide_device_costs_seconds_and_keeps_every_shot(tmp_path):
    provider = IbmProvider(tmp_path)
    batch = ghz("ibm:fake_sherbrooke", 10, 1024)
    found = table(provider, replace(batch, seeds=np.arange(10, dtype=np.uint64)[None]))
    assert (found.sum(axis=2) == 1024).all()
    assert found[0, :, [0, -1]].sum() > 0.4 * 10 * 1024
