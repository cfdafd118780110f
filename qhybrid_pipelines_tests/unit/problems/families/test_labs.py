"""Low-autocorrelation sequences against the definition in plain Python, enumeration and the published optima."""

from __future__ import annotations

import dimod
import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.problems.families.labs import FAMILY, Length, Options, sequence_of_length
from qhybrid_pipelines.problems.named_answer import name_answer
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.solvers import labs
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines.terminal import print_answer
from qhybrid_pipelines_tests.support.family_cases import FamilyCases, PublishedOptimum


def energy(payload, x):
    spins = [1 - 2 * bit for bit in x]
    size = payload["n"]
    return float(sum(sum(spins[i] * spins[i + k] for i in range(size - k)) ** 2 for k in range(1, size))), True


CASES = FamilyCases(
    small={"length": [{"n": 8}, {"n": 5}, {"n": 3}]},
    definition=energy,
    published=[
        PublishedOptimum(
            name=f"labs_{size}",
            problem={"family": "labs", "source": {"generator": "length", "n": size}},
            best_known=best,
        )
        for size, best in ((11, 5.0), (13, 6.0), (16, 24.0))
    ],
)


def instance_of(size):
    return sequence_of_length(Length(n=size))


def experiment(size, **fields):
    problem = {"family": "labs", "source": {"generator": "length", "n": size}}
    return ExperimentSpec.model_validate({"name": "labs", "problem": problem, **fields})


@pytest.mark.parametrize("size", range(3, 17))
def test_enumeration_of_all_sequences_gives_the_published_optimum(size):
    words = np.arange(1 << size, dtype=np.uint64)
    model = FAMILY.penalised_model(instance_of(size)).model
    assert model.diagonal.min() == labs.word_energies(words, size).min() == labs.OPTIMA[size]
    answer = FAMILY.solve(instance_of(size), seed=7)
    assert (answer.optimal, answer.bound) == (True, labs.OPTIMA[size])
    assert energy({"n": size}, answer.assignment.tolist())[0] == labs.OPTIMA[size]


def test_polynomial_diagonal_and_bit_parallel_energies_are_those_of_the_definition():
    size = 11
    rows = unpack(np.arange(1 << size, dtype=np.uint64), size)
    model = FAMILY.penalised_model(instance_of(size)).model
    energies = model.diagonal
    np.testing.assert_array_equal(energies, labs.energies(rows))
    np.testing.assert_array_equal(energies, labs.word_energies(np.arange(1 << size, dtype=np.uint64), size))
    for word in (0, 1, 77, 1234, 2047):
        assert energies[word] == energy({"n": size}, rows[word].tolist())[0]
    assert model.products.orders.tolist() == [4] * len(model.products)  # nothing was replaced by helper variables
    assert model.size == size


def test_barker_sequence_is_named_by_its_runs_and_merit_factor():
    barker = np.array([0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0], dtype=np.uint8)
    assert FAMILY.describe(instance_of(13), barker) == (
        "run lengths 5 2 2 1 1 1 1, beginning with +1; merit factor 14.08"
    )


@pytest.mark.parametrize("move", ["complement", "alternate", "reverse"])
def test_symmetries_keep_every_energy(move):
    rows = unpack(np.arange(1 << 9, dtype=np.uint64), 9)
    moved = {"complement": 1 - rows, "alternate": rows ^ (np.arange(9) % 2).astype(np.uint8), "reverse": rows[:, ::-1]}
    np.testing.assert_array_equal(labs.energies(moved[move]), labs.energies(rows))


def test_symmetry_takes_two_qubits_and_keeps_products_of_four_spins():
    reduction = reduce_instance(FAMILY, instance_of(12), experiment(12))
    reduced = reduction.reduced_model
    assert (reduced.size, reduced.exact, reduction.reduced_model_optimum) == (10, True, 10.0)
    assert reduced.model.products.orders.max() == 4
    words = np.arange(1 << 10, dtype=np.uint64)
    np.testing.assert_array_equal(reduced.model.energies(words), labs.energies(reduced.expand(words)))
    whole = reduce_instance(FAMILY, instance_of(12), experiment(12, reduce={"rules": "none"}))
    assert whole.reduced_model.size == 12


def test_a_window_of_a_long_sequence_has_the_energies_of_its_sequences():
    reduction = reduce_instance(FAMILY, instance_of(26), experiment(26, reduce={"max_qubits": 12, "windows": 5}))
    reduced = reduction.reduced_model
    assert reduced.size == 12
    assert not reduced.exact
    words = np.arange(1 << 12, dtype=np.uint64)
    np.testing.assert_array_equal(reduced.model.energies(words), labs.energies(reduced.expand(words)))
    assert reduction.reduced_model_optimum < reduction.incumbent_objective
    wide = FAMILY.penalised_model(instance_of(30)).model
    rows = np.random.default_rng(5).integers(0, 2, size=(40, 30), dtype=np.uint8)
    np.testing.assert_array_equal(
        wide.energies(np.array([int("".join(map(str, row[::-1])), 2) for row in rows.tolist()], dtype=np.uint64)),
        labs.energies(rows),
    )


def test_tabu_search_reaches_what_enumeration_proves(monkeypatch):
    monkeypatch.setattr(labs, "_STEPS", 200)
    for size in (17, 21):
        row = labs.tabu_search(size, seed=3)
        np.testing.assert_array_equal(row, labs.tabu_search(size, seed=3))
        assert labs.energies(row[None])[0] == labs.OPTIMA[size]


def test_a_long_sequence_is_searched_with_the_bound_of_parity(monkeypatch):
    monkeypatch.setattr(labs, "_STEPS", 60)
    answer = FAMILY.solve(instance_of(41), seed=7)
    assert not answer.optimal
    assert answer.bound == 20 <= labs.energies(answer.assignment[None])[0]
    assert instance_of(41).best_known is None


def test_flips_change_the_energy_as_said():
    spins = 1 - 2 * np.random.default_rng(1).integers(0, 2, size=(4, 10), dtype=np.int32)
    after = labs._energies_after_flips(spins, labs._autocorrelations(spins))
    for row, flip in np.ndindex(after.shape):
        flipped = spins[row].copy()
        flipped[flip] *= -1
        assert after[row, flip] == energy({"n": 10}, ((1 - flipped) // 2).tolist())[0]


def test_dimod_has_the_same_polynomial():
    instance = instance_of(7)
    polynomial = FAMILY.model(instance)
    assert isinstance(polynomial, dimod.BinaryPolynomial)
    model = FAMILY.penalised_model(instance).model
    by_name = {
        frozenset(instance.variables[i] for i in term): weight
        for term, weight in zip(model.products, model.products.weights, strict=True)
    }
    assert {term: weight for term, weight in polynomial.items() if len(term) > 2} == by_name


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"n": 2}, "at least 3 "),
        ({"n": 65}, "at most 64 "),
        ({"n": 12, "m": 3}, "source.m': unknown field"),
        ({}, "source.n'"),
    ],
)
def test_wrong_lengths_and_fields_are_refused(source, message):
    spec = ProblemSpec.model_validate({"family": "labs", "source": {"generator": "length", **source}})
    with pytest.raises(InvalidInput, match=message):
        load_instance(spec, lambda _: b"")
    with pytest.raises(InvalidInput, match="no instance on graph"):
        FAMILY.from_graph(nx.path_graph(3), "path", Options())


def test_annealers_and_elimination_by_pairs_are_refused_with_the_remedy():
    with pytest.raises(InvalidInput, match="an annealer couples two") as refused:
        reduce_instance(FAMILY, instance_of(9), experiment(9, annealing={"reads": 10}, backends=["dwave:Advantage"]))
    assert "Leave annealing out" in refused.value.remedy
    with pytest.raises(InvalidInput, match="eliminates along fields and couplings"):
        reduce_instance(FAMILY, instance_of(9), experiment(9, ansatz={"kind": "recursive_qaoa"}))


def test_a_state_that_nobody_holds_is_refused_with_its_memory():
    with pytest.raises(InvalidInput, match=r"26 variables, .*; a state of 26 qubits takes 1 GiB") as refused:
        reduce_instance(FAMILY, instance_of(26), experiment(26, reduce={"rules": "none"}))
    assert refused.value.remedy == "Leave `rules: none` out, or take a smaller instance."


def test_the_named_answer_says_it_on_the_terminal(capsys):
    decision = {
        "experiment": "labs",
        "backend": "local:auto",
        "final_assignment": "00010",
        "final_source": "sampling",
        "final_objective": 2.0,
        "final_feasible": True,
    }
    print_answer(name_answer(instance_of(5), decision))
    assert "run lengths 3 1 1, beginning with +1; merit factor 6.25" in capsys.readouterr().out
