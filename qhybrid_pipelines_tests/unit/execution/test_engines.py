"""Engines against each other and against qiskit's own state vector; which engine a batch gets."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow.compute as pc
import pytest
from scipy.stats import chi2_contingency, chisquare, kstest

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Template
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.engines import aer_exact, aer_sampler, lightning
from qhybrid_pipelines.execution.engines.aer import prepare_circuit
from qhybrid_pipelines.execution.engines.aer_exact import AerExact
from qhybrid_pipelines.execution.engines.aer_sampler import AerSampler
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.execution.engines.engine import all_engines, choose_engine
from qhybrid_pipelines.execution.engines.lightning import Lightning
from qhybrid_pipelines.quantum.circuits import build_batch
from qhybrid_pipelines.quantum.simulation import diagonal_qaoa, qaoa_phases
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.instance_files import named
from qhybrid_pipelines_tests.support.reduced_models import (
    circuit_probabilities,
    ising,
    make_reduced_model,
    make_spec,
    read_maxcut,
)

#: Chance that a right engine fails one goodness-of-fit test; the seeds are fixed, so it fails always or never.
ERROR_RATE = 1e-4
ENGINES = all_engines()

#: Every engine, the QAOA engine on both of its ways.
EVERY = [
    pytest.param(DiagonalQaoa(compiled=False), id="diagonal-qaoa, numpy"),
    pytest.param(
        DiagonalQaoa(compiled=True),
        id="diagonal-qaoa, compiled",
        marks=pytest.mark.skipif(
            find_spec("numba") is None, reason="the compiled engine needs numba: install the extra `fast`"
        ),
    ),
    *(pytest.param(engine, id=engine.name) for engine in ENGINES if engine.name != DiagonalQaoa.name),
]

MODEL = ising([0.3, -1.1, 0.0, 0.6, 0.2], {(0, 1): 0.7, (1, 3): -0.4, (2, 4): 1.3, (0, 4): 0.7})


def make_batch(model=MODEL, *, cardinality=None, kind="qaoa", points=5, layers=2, **changes) -> CircuitBatch:
    reduced_model = make_reduced_model(model, cardinality)
    spec = make_spec(kind=kind, points=points, strategy="random", layers=layers, **changes)
    angles = plan_sweep(reduced_model, spec).angles
    return build_batch(reduced_model, angles, spec, experiment="case-00000000", backend="local:auto").batch


def spread(structure) -> np.ndarray:
    """The ``(points, 2**n)`` probabilities of the diagonal engine, subspaces filled up with zeros."""
    outcomes, rows = diagonal_qaoa.exact_probabilities(structure)
    rows = np.array(list(rows))
    if outcomes is None:
        return rows
    full = np.zeros((len(rows), 1 << structure.model.size))
    full[:, outcomes.astype(int)] = rows
    return full


def by_aer(batch: CircuitBatch) -> np.ndarray:
    prepared, _ = prepare_circuit(batch.template, keep_measurements=False)
    return np.array(list(aer_exact.exact_probabilities(batch, prepared)))


def by_lightning(batch: CircuitBatch) -> np.ndarray:
    prepared, _ = prepare_circuit(batch.template, keep_measurements=False, compiled=lightning.compile_circuit)
    return np.array(list(lightning.exact_probabilities(batch, prepared)))


def truth(batch: CircuitBatch) -> np.ndarray:
    return np.array([circuit_probabilities(batch.template, row) for row in batch.bindings])


@pytest.mark.parametrize("cardinality", [None, 1, 2, 4])
def test_engines_give_the_state_vector_of_the_circuit(cardinality):
    batch = make_batch(cardinality=cardinality, layers=3)
    expected = truth(batch)
    assert np.abs(spread(batch.structure) - expected).max() < 1e-12
    assert np.abs(by_aer(batch) - expected).max() < 1e-12
    assert np.abs(by_lightning(batch) - expected).max() < 1e-12


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9, 11])
def test_every_width_of_the_x_mixer(n):
    rng = np.random.default_rng(n)
    pairs = {(i, j): rng.normal() for i in range(n) for j in range(i + 1, n) if rng.random() < 0.5}
    batch = make_batch(ising(rng.normal(size=n), pairs), points=2)
    assert np.abs(spread(batch.structure) - by_aer(batch)).max() < 1e-12


@pytest.mark.parametrize(("n", "ones"), [(2, 1), (3, 2), (6, 3), (7, 2), (10, 4)])
def test_every_width_of_the_ring_mixer(n, ones):
    rng = np.random.default_rng(n)
    pairs = {(i, j): rng.normal() for i in range(n) for j in range(i + 1, n)}
    batch = make_batch(ising(rng.normal(size=n), pairs), cardinality=ones, points=2)
    assert np.abs(spread(batch.structure) - by_aer(batch)).max() < 1e-12


def test_hardware_efficient_circuits():
    batch = make_batch(kind="hardware_efficient")
    assert batch.structure is None
    expected = truth(batch)
    assert np.abs(by_aer(batch) - expected).max() < 1e-12
    assert np.abs(by_lightning(batch) - expected).max() < 1e-12


def test_sixteen_qubits_agree():
    batch = make_batch(read_maxcut(named("mc_016_003_000").path), points=2, layers=4)
    assert np.abs(spread(batch.structure) - by_aer(batch)).max() < 1e-12
    assert np.abs(by_lightning(batch) - by_aer(batch)).max() < 1e-12


@pytest.mark.parametrize("cardinality", [None, 2])
def test_probabilities_do_not_depend_on_how_points_are_split(cardinality):
    structure = make_batch(cardinality=cardinality, points=23).structure
    together = spread(structure)
    for part in (slice(0, 1), slice(1, 8), slice(8, 23), slice(None, None, -1), slice(3, None, 5)):
        alone = spread(replace(structure, angles=np.ascontiguousarray(structure.angles[part])))
        assert np.array_equal(alone, together[part])


def test_blocks_are_filled_up_to_one_shape(monkeypatch):
    structure = make_batch(points=23).structure
    together = spread(structure)
    # 23 points of 32 amplitudes in blocks of 8: the last block is padded.
    monkeypatch.setattr(qaoa_phases, "BLOCK_AMPLITUDES", 256)
    assert np.abs(spread(structure) - together).max() < 1e-14
    assert np.array_equal(spread(replace(structure, angles=structure.angles[8:16])), spread(structure)[8:16])


THREADS = """
import hashlib, numpy as np
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import probabilities
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases
from qhybrid_pipelines.quantum.simulation.x_mixer import XMixer
rng = np.random.default_rng(0)
rows = probabilities(XMixer(Phases(rng.normal(size=1 << 13))), rng.normal(size=(3, 4)))
print(hashlib.sha256(np.array(list(rows)).tobytes()).hexdigest())
"""


def test_probabilities_do_not_depend_on_threads():
    running = [
        subprocess.Popen(
            [sys.executable, "-c", THREADS], env={**os.environ, "OPENBLAS_NUM_THREADS": threads}, stdout=subprocess.PIPE
        )
        for threads in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in running)
    assert first == second
    assert len(first.strip()) == 64


@pytest.mark.parametrize("cardinality", [None, 2])
def test_exact_engines_give_equal_counts(cardinality):
    batch = make_batch(cardinality=cardinality, shots=2000)
    first, *others = (engine.run(batch).counts for engine in ENGINES if engine.name != "aer-sampler")
    assert len(others) == 2
    assert all(counts.equals(first) for counts in others)


@pytest.mark.parametrize("engine", EVERY)
@pytest.mark.parametrize("cardinality", [None, 2])
def test_counts_fit_the_probabilities(engine, cardinality):
    batch = make_batch(cardinality=cardinality, points=4, shots=20_000)
    expected = truth(batch) * batch.shots * batch.repetitions
    counts = engine.run(batch).counts
    for point, row in enumerate(expected):
        mine = counts.filter(pc.equal(counts.column("point"), point))
        observed = np.bincount(
            mine.column("bits").to_numpy().astype(int), mine.column("count").to_numpy(), minlength=len(row)
        )
        rare = row < 5  # pooled: chi-square needs at least about five per class
        pooled = [(observed[~rare], row[~rare])] + (
            [(observed[rare].sum(), row[rare].sum())] if row[rare].sum() > 1 else []
        )
        found, wanted = (np.concatenate([np.atleast_1d(part[i]) for part in pooled]) for i in range(2))
        assert observed[row < 1e-9].sum() == 0
        assert chisquare(found, wanted * found.sum() / wanted.sum()).pvalue > ERROR_RATE


@pytest.mark.parametrize("engine", EVERY)
def test_repetitions_are_samples_of_their_own(engine):
    """Neither alike nor sorted apart: two repetitions differ as two independent samples do, no more and no less."""
    batch = make_batch(points=40, shots=2000)
    counts = engine.run(batch).counts
    p_values = []
    for point in range(batch.points):
        mine = counts.filter(pc.equal(counts.column("point"), point))
        table = np.zeros((batch.repetitions, 32))
        table[mine.column("repetition").to_numpy(), mine.column("bits").to_numpy().astype(int)] = mine.column("count")
        p_values.append(chi2_contingency(table[:, table.sum(axis=0) >= 5 * batch.repetitions]).pvalue)
    assert kstest(p_values, "uniform").pvalue > ERROR_RATE


def test_the_sampler_repeats_itself_for_the_same_batch():
    batch, sampler = make_batch(), AerSampler()
    assert sampler.run(batch).counts.equals(sampler.run(batch).counts)
    assert not sampler.run(replace(batch, seeds=batch.seeds + np.uint64(1))).counts.equals(sampler.run(batch).counts)


def test_the_sampler_gives_every_point_its_own_counts_over_many_calls(monkeypatch):
    wanted = [0, 1, 1, 0, 1, 0, 0]
    batch = replace(
        circuit("rx(turn) q[0];", *MEASURE, inputs=["turn"]),
        bindings=np.pi * np.array(wanted, dtype=np.float64)[:, None],
        seeds=np.arange(14, dtype=np.uint64).reshape(7, 2),
    )
    monkeypatch.setattr(aer_sampler, "MAX_SHOTS_PER_CALL", 300)  # three of 14 runs
    assert AerSampler().run(batch).counts.select(["point", "repetition", "bits", "count"]).to_pylist() == [
        {"point": point, "repetition": repetition, "bits": bit, "count": 100}
        for point, bit in enumerate(wanted)
        for repetition in range(2)
    ]


# ---- which engine ------------------------------------------------------------------------------------------------


def circuit(*body: str, inputs=(), n=2) -> CircuitBatch:
    head = ["OPENQASM 3.0;", 'include "stdgates.inc";', *(f"input float[64] {name};" for name in inputs)]
    text = "\n".join([*head, f"bit[{n}] c;", f"qubit[{n}] q;", *body, ""])
    return CircuitBatch(
        experiment="case-00000000",
        backend="local:auto",
        template=Template(text=text, parameters=tuple(inputs), n_qubits=n),
        bindings=np.zeros((1, len(inputs))),
        shots=100,
        seeds=np.array([[1]], dtype=np.uint64),
    )


MEASURE = ("c[0] = measure q[0];", "c[1] = measure q[1];")


def chosen_engine(batch: CircuitBatch) -> str:
    return choose_engine(ENGINES, batch).name


def test_engines_by_capability():
    assert chosen_engine(make_batch()) == "diagonal-qaoa"
    assert chosen_engine(make_batch(kind="hardware_efficient")) == "lightning"
    assert chosen_engine(circuit("h q[0];", "cx q[0], q[1];", *MEASURE)) == "lightning"
    assert chosen_engine(circuit("h q[0];", MEASURE[0], "cx q[0], q[1];", MEASURE[1])) == "aer-sampler"
    assert chosen_engine(circuit("reset q[0];", *MEASURE)) == "aer-sampler"
    assert chosen_engine(circuit("h q[0];", MEASURE[0], "if (c[0]) {", "  x q[1];", "}", MEASURE[1])) == "aer-sampler"
    assert chosen_engine(canary_batch("single", width=21, qubit=3, backend="local:auto")[0]) == "aer-sampler"


def test_a_structure_whose_circuit_measures_early_is_not_taken_at_its_word():
    batch = make_batch()
    early = batch.template.text.replace("qubit[5] q;\n", "qubit[5] q;\nc[0] = measure q[0];\n")
    assert early != batch.template.text
    assert chosen_engine(replace(batch, template=replace(batch.template, text=early))) == "aer-sampler"


def test_mid_circuit_measurements_are_simulated():
    batch = circuit("x q[0];", MEASURE[0], "if (c[0]) {", "  x q[1];", "}", MEASURE[1])
    assert AerSampler().run(batch).counts.to_pylist() == [
        {"point": 0, "repetition": 0, "bits": 3, "high_bits": None, "count": 100}
    ]


def test_bits_follow_the_measurements_and_not_the_qubits():
    crossed = circuit("x q[0];", "c[1] = measure q[0];", "c[0] = measure q[1];")
    for engine in ENGINES[1:]:
        assert engine.unsupported_reason(crossed) is None
        assert engine.run(crossed).counts.column("bits").to_pylist() == [2], engine.name


def rename_inputs(batch: CircuitBatch, *parameters: str) -> CircuitBatch:
    return replace(batch, template=replace(batch.template, parameters=parameters))


@pytest.mark.parametrize(
    ("batch", "engines", "reason"),
    [
        (circuit("nonsense q[0];", *MEASURE), ENGINES, "cannot be read"),
        (circuit("h q[0];", *MEASURE, n=3), ENGINES[:3], "one measurement of every bit"),
        (rename_inputs(circuit("rx(a) q[0];", *MEASURE, inputs=("a",)), "b"), ENGINES, "inputs are not those"),
        (replace(circuit(*MEASURE), template=Template(text="x", parameters=(), n_qubits=2)), ENGINES, "OPENQASM 3"),
        (replace(circuit(*MEASURE), template=replace(circuit(*MEASURE).template, n_qubits=3)), ENGINES, "not 3 each"),
        (canary_batch("single", width=25, qubit=0, backend="local:auto")[0], ENGINES, "25 qubits are more than 24"),
    ],
)
def test_a_refusal_says_why(batch, engines, reason):
    with pytest.raises(Rejected, match=reason):
        choose_engine(engines, batch)


def test_malformed_batches_are_rejected():
    batch = make_batch()
    structure = batch.structure
    nan = np.full_like(batch.bindings, np.nan)
    for bad in (
        replace(batch, bindings=nan),
        replace(batch, bindings=-np.inf * np.ones_like(nan)),
        replace(batch, bindings=batch.bindings[:, 1:]),
        replace(batch, bindings=batch.bindings[:3]),
        replace(batch, seeds=batch.seeds[:, :0]),
        replace(batch, shots=0),
        replace(batch, structure=replace(structure, angles=structure.angles * np.nan)),
        replace(batch, structure=replace(structure, angles=structure.angles[:2])),
        replace(batch, structure=replace(structure, model=ising([1.0], {}))),
    ):
        with pytest.raises(Rejected):
            choose_engine(ENGINES, bad)


def test_structures_that_mean_nothing_are_rejected():
    batch = make_batch(cardinality=2)
    for structure in (
        replace(batch.structure, cardinality=None),
        replace(batch.structure, cardinality=6),
        replace(batch.structure, angles=batch.structure.angles[:, :3]),
        replace(batch.structure, angles=batch.structure.angles[:, :0]),
    ):
        assert ENGINES[0].unsupported_reason(replace(batch, structure=structure)) is not None
    assert ENGINES[0].unsupported_reason(batch) is None


# ---- lightning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [Lightning(), AerExact()], ids=lambda engine: engine.name)
@pytest.mark.parametrize("kind", ["qaoa", "hardware_efficient"])
def test_exact_engines_do_not_depend_on_how_points_are_split(engine, kind, monkeypatch):
    batch = make_batch(kind=kind, points=23)
    together = engine.run(batch).counts
    monkeypatch.setattr("qhybrid_pipelines.execution.sampling.BLOCK_VALUES", 1000)
    assert engine.run(batch).counts.equals(together)
    late = replace(batch, bindings=batch.bindings[11:], seeds=batch.seeds[11:], structure=None)
    mine = together.filter(pc.greater_equal(together.column("point"), 11))
    assert engine.run(late).counts.drop_columns("point").equals(mine.drop_columns("point"))
