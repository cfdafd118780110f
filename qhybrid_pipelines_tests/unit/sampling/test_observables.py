"""Observables of circuits, against Qiskit's operators on exact states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.observables import parse_observable
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.quantum.mitigation.readout_inverse import corrected_product, largest_product
from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling import observables as plan_of_observables
from qhybrid_pipelines.sampling.built_circuit import template_and_binding
from qhybrid_pipelines.sampling.exact import exact_reference
from qhybrid_pipelines.sampling.observables import basis_circuits, check_observables, exact_expectations, grouped
from qhybrid_pipelines.sampling.plan import SampledCircuit, plan_circuits

WIDTH = 4
SINGLE = [None, "X", "Y", "Z"]
observables = st.lists(
    st.lists(st.sampled_from(SINGLE), min_size=WIDTH, max_size=WIDTH).filter(any).map(tuple), unique=True, max_size=8
).map(lambda found: [" ".join(f"{one}{q}" for q, one in enumerate(letters) if one) for letters in found])


def spec_of(texts, **circuit):
    circuit = circuit or {"family": "quantum_volume", "widths": [WIDTH]}
    return SamplingSpec.model_validate({"name": "a", "circuit": circuit, "observables": texts})


def random_circuit(seed):
    random, circuit = np.random.default_rng(seed), empty_circuit(WIDTH)
    for _ in range(3):
        for qubit in range(WIDTH):
            circuit.u(*random.uniform(-3, 3, 3).tolist(), qubit)
        first, second = random.permutation(WIDTH)[:2].tolist()
        circuit.cx(first, second)
    template, binding = template_and_binding(circuit)
    return circuit, SampledCircuit(
        point=0,
        name="random",
        family="file",
        layers=None,
        template=template,
        binding=binding,
        depth=1,
        two_qubit_gates=3,
        measured=WIDTH,
    )


def qiskits_value(circuit, text):
    one = parse_observable(text)
    operator = SparsePauliOp.from_sparse_list(
        [("".join(letter for _, letter in one.factors), list(one.qubits), 1.0)], num_qubits=WIDTH
    )
    return float(np.real(Statevector(circuit).expectation_value(operator)))


@settings(max_examples=30, deadline=None)
@given(observables)
def test_groups_have_everything_once_and_agree_letter_by_letter(texts):
    plain, *groups = grouped([parse_observable(text) for text in texts])
    assert sorted(one.name for group in (plain, *groups) for one in group) == sorted(texts)
    assert all(set(one.basis.values()) == {"Z"} for one in plain)
    for group in groups:
        letters = {}
        for one in group:
            assert all(letters.setdefault(qubit, letter) == letter for qubit, letter in one.factors)


@settings(max_examples=6, deadline=None)
@given(observables, st.integers(0, 2**32 - 1))
def test_exact_values_and_those_of_the_turned_circuits_are_qiskits(texts, seed):
    circuit, sampled = random_circuit(seed)
    expected = {text: qiskits_value(circuit, text) for text in texts}
    found = exact_expectations(sampled.template, sampled.binding, [parse_observable(text) for text in texts])
    np.testing.assert_allclose(found, list(expected.values()), atol=1e-10)
    measured = {}
    for basis in basis_circuits(spec_of(texts), [sampled]):
        reference = exact_reference(basis.circuit.template, basis.circuit.binding, basis.circuit.measured)
        for one in basis.observables:
            signs = corrected_product(
                unpack(reference.outcomes, WIDTH)[:, list(one.qubits)], ReadoutErrors.none(len(one.qubits))
            )
            measured[one.name] = float(reference.probabilities @ signs)
    assert measured == pytest.approx(expected, abs=1e-10)


def test_circuits_of_other_bases_come_after_the_series_and_those_of_z_need_none():
    spec = spec_of(["Z0 Z1", "X0", "X0 Z1", "Y1"], family="ghz", widths=[2, 3])
    circuits = plan_circuits(spec, lambda _: b"")
    found = list(basis_circuits(spec, circuits))
    assert [(one.point, one.circuit.point, [o.name for o in one.observables]) for one in found] == [
        (0, 0, ["Z0 Z1"]),
        (0, 2, ["X0", "X0 Z1"]),
        (0, 3, ["Y1"]),
        (1, 1, ["Z0 Z1"]),
        (1, 4, ["X0", "X0 Z1"]),
        (1, 5, ["Y1"]),
    ]
    assert found[0].circuit is circuits[0]
    assert len({one.circuit.name for one in found}) == 6


def test_a_folded_circuit_has_the_same_state_and_so_many_times_the_gates():
    _, sampled = random_circuit(3)
    spec = SamplingSpec.model_validate(
        {
            "name": "a",
            "circuit": {"family": "ghz", "widths": [WIDTH]},
            "observables": ["Z0 Z1", "X0 Y2"],
            "mitigation": {"estimation": "zne", "noise_factors": [1, 5, 3]},
        }
    )
    found = list(basis_circuits(spec, [sampled]))
    assert [(one.circuit.point, one.noise_factor) for one in found] == [(0, 1), (1, 1), (2, 3), (3, 3), (4, 5), (5, 5)]
    references = {}
    for one in found:
        assert one.circuit.two_qubit_gates == 3 * one.noise_factor
        reference = exact_reference(one.circuit.template, one.circuit.binding, WIDTH)
        first = references.setdefault(one.observables, reference)
        np.testing.assert_array_equal(reference.outcomes, first.outcomes)
        np.testing.assert_allclose(reference.probabilities, first.probabilities, atol=1e-9)
    assert len(references) == 2
    assert len({one.circuit.template.template_id for one in found}) == 6


def test_intervals_cover_the_exact_value_with_and_without_readout_errors():
    circuit, sampled = random_circuit(7)
    texts = ["Z0 Z1", "X0 X2 Y3", "Y1", "Z3"]
    exact = {text: qiskits_value(circuit, text) for text in texts}
    random, shots, repeats = np.random.default_rng(1), 500, 1000
    flips = random.uniform(0.01, 0.1, (2, WIDTH))
    covered = {}
    for basis in basis_circuits(spec_of(texts), [sampled]):
        state = exact_reference(basis.circuit.template, basis.circuit.binding, WIDTH)
        probabilities = np.zeros(2**WIDTH)
        probabilities[state.outcomes.astype(np.int64)] = state.probabilities
        read = probabilities
        for bit in range(WIDTH):  # the bit's axis in the middle, as in a packed outcome
            matrix = np.array([[1 - flips[0, bit], flips[1, bit]], [flips[0, bit], 1 - flips[1, bit]]])
            read = np.einsum("rt,atb->arb", matrix, read.reshape(-1, 2, 2**bit)).ravel()
        bits = unpack(np.arange(2**WIDTH, dtype=np.uint64), WIDTH)
        for one in basis.observables:
            qubits = list(one.qubits)
            for name, law, errors in (
                ("plain", probabilities, ReadoutErrors.none(len(qubits))),
                ("corrected", read, ReadoutErrors(zero_as_one=flips[0, qubits], one_as_zero=flips[1, qubits])),
            ):
                values, widest = corrected_product(bits[:, qubits], errors), 2 * largest_product(errors)
                assert np.abs(values).max() <= largest_product(errors) + 1e-12
                means = [
                    mean_over_shots(values, counts, np.zeros(2**WIDTH), widest=widest)
                    for counts in random.multinomial(shots, law, size=repeats)
                ]
                covered[name, one.name] = np.mean([m.low <= exact[one.name] <= m.high for m in means])
    assert len(covered) == 8
    assert min(covered.values()) >= 0.928, covered  # of 1,000 at 95 %, fewer happen once in a thousand


def test_qubits_that_are_not_there_and_too_many_circuits_are_refused():
    spec = spec_of(["X2"], family="ghz", widths=[2, 3])
    with pytest.raises(InvalidInput, match=r"'ghz-2' has 2 qubits.*X2 names qubit 2") as refused:
        check_observables(spec, plan_circuits(spec, lambda _: b""))
    assert refused.value.field == "observables"
    many = spec_of(["X0", "Y0"], family="ghz", widths=list(range(2, 102)))
    with pytest.raises(InvalidInput, match="100 circuits in 3 bases are 300"):
        check_observables(many, plan_circuits(many, lambda _: b""))


@pytest.mark.parametrize("texts", [["X0"], ["Z0"], ["Z0", "X0", "Y0"]])
def test_as_many_circuits_are_counted_as_are_run(texts, monkeypatch):
    page = {"name": "a", "kind": "sampling", "circuit": {"family": "ghz", "widths": [2, 3]}, "observables": texts}
    spec = SamplingSpec.model_validate(page | {"mitigation": {"estimation": "zne"}})
    circuits = plan_circuits(spec, lambda _: b"")
    run = {one.circuit.point for one in basis_circuits(spec, circuits)} | {one.point for one in circuits}
    monkeypatch.setattr(plan_of_observables, "MAX_CIRCUITS", len(run))
    check_observables(spec, circuits)
    monkeypatch.setattr(plan_of_observables, "MAX_CIRCUITS", len(run) - 1)
    with pytest.raises(InvalidInput, match=f"are {len(run)}, and"):
        check_observables(spec, circuits)
