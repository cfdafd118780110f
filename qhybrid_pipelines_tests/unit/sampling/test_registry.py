"""The contract of every family of circuits: what it says about its outcomes is what its state vector says."""

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.sampling.built_circuit import template_and_binding
from qhybrid_pipelines.sampling.exact import exact_reference
from qhybrid_pipelines.sampling.registry import all_families, family_names

FAMILIES = all_families()
SIZES = [
    (name, width, depth)
    for name, family in FAMILIES.items()
    for width in (1, 2, 3, 4, 6, 7)
    if width >= family.least_width and not width % family.width_step
    for depth in ((1, 2, 5) if family.has_depth else (family.default_depth(width),))
]


def test_the_families_that_there_are():
    assert list(FAMILIES) == [
        "bernstein_vazirani",
        "ghz",
        "hamiltonian_simulation",
        "hidden_shift",
        "mirror",
        "qft",
        "quantum_volume",
    ]
    assert family_names() == tuple(FAMILIES)


@pytest.mark.parametrize(("name", "width", "depth"), SIZES)
def test_what_is_known_is_what_the_state_vector_says(name, width, depth):
    for seed in range(3):
        built = FAMILIES[name].build(width, depth, np.random.default_rng(seed))
        assert built.circuit.num_qubits == width
        probabilities = np.abs(Statevector(built.circuit.remove_final_measurements(inplace=False)).data) ** 2
        expected = probabilities.reshape(-1, 2**built.measured).sum(axis=0)
        template, binding = template_and_binding(built.circuit)
        computed = exact_reference(template, binding, built.measured)
        vector = np.zeros(2**built.measured)
        vector[computed.outcomes.astype(int)] = computed.probabilities
        assert vector == pytest.approx(expected, abs=1e-9)
        if built.known is not None:
            assert {int(o): p for o, p in zip(computed.outcomes, computed.probabilities, strict=True)} == pytest.approx(
                built.known, abs=1e-9
            )


@pytest.mark.parametrize("name", FAMILIES)
def test_the_template_holds_no_number_and_is_the_same_for_the_same_seed(name):
    family = FAMILIES[name]
    width = max(family.least_width, 4)
    made = [
        template_and_binding(family.build(width, family.default_depth(width), np.random.default_rng(5)).circuit)
        for _ in range(2)
    ]
    assert made[0][0] == made[1][0]
    assert made[0][1].tolist() == made[1][1].tolist()
    assert len(made[0][0].parameters) == len(made[0][1]) == len(read_circuit(made[0][0].text).parameters)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.is_random])
def test_random_circuits_differ_between_seeds(name):
    family = FAMILIES[name]
    circuits = [family.build(6, family.default_depth(6), np.random.default_rng(seed)).circuit for seed in range(4)]
    assert any(circuits[0] != other for other in circuits[1:])


def test_a_fourier_transform_adds_one_also_at_the_end_of_the_numbers():
    outcomes = {next(iter(FAMILIES["qft"].build(2, 1, np.random.default_rng(seed)).known)) for seed in range(40)}
    assert outcomes == {0, 1, 2, 3}


def test_a_wide_mirror_circuit_knows_its_outcome_without_simulation():
    built = FAMILIES["mirror"].build(70, 4, np.random.default_rng(1))
    [(outcome, probability)] = built.known.items()
    assert 0 < outcome < 2**70
    assert probability == 1
