"""Reduction: nothing is lost by exact steps, and the reduced model's energies are those of the instance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import assignment_array, assignment_text
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.reduction import reduce_instance, reduced_model_from_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.tiny_family import (
    TinyFamily,
    all_rows,
    cut_instance,
    families,
    tiny_instance,
    tiny_instances,
    tiny_spec,
)


def optimum(family, instance):
    rows = all_rows(instance.size)
    values = family.objective(instance, rows)[family.feasible(instance, rows)]
    return values.max() if family.sense == "max" else values.min()


def words(size):
    return np.arange(2**size, dtype=np.uint64)


@settings(deadline=None, max_examples=80)
@given(family=families, instance=tiny_instances())
def test_an_exact_ladder_keeps_an_optimum(family, instance):
    reduction = reduce_instance(family, instance, tiny_spec())
    assert reduction.reduced_model.exact
    assert reduction.reduced_model_optimum == pytest.approx(optimum(family, instance))
    assert family.feasible(instance, reduction.reduced_model_optimum_assignment[None, :])[0]
    assert reduction.solved_by_reduction == (reduction.reduced_model.size == 0)


@settings(deadline=None, max_examples=80)
@given(family=families, instance=tiny_instances(min_size=4), qubits=st.integers(2, 7), seed=st.integers(0, 99))
def test_reduced_model_energies_are_those_of_the_expanded_assignments(family, instance, qubits, seed):
    reduction = reduce_instance(family, instance, tiny_spec(reduce={"max_qubits": qubits}, seed=seed))
    reduced_model = reduction.reduced_model
    assert reduced_model.size <= qubits
    bits = words(reduced_model.size)
    expanded = reduced_model.expand(bits)
    assert np.allclose(
        reduced_model.model.energies(bits), family.penalised_model(instance).model.assignment_energies(expanded)
    )
    if reduced_model.cardinality is not None:
        inside = np.bitwise_count(bits) == reduced_model.cardinality
        assert np.array_equal(inside, expanded.sum(axis=1) == instance.payload["cardinality"])


@settings(deadline=None, max_examples=60)
@given(family=families, instance=tiny_instances(min_size=5), seed=st.integers(0, 99))
def test_a_window_is_never_worse_than_its_incumbent_and_never_claims_to_be_exact(family, instance, seed):
    reduction = reduce_instance(family, instance, tiny_spec(reduce={"max_qubits": 3}, seed=seed))
    sense = 1 if family.sense == "max" else -1
    frozen = any(step["step_name"] == "subproblem" for step in reduction.step_log)
    assert reduction.reduced_model.exact is not frozen
    if frozen and not any(step["variables_fixed"] for step in reduction.step_log if step["step_name"] != "subproblem"):
        assert sense * (reduction.reduced_model_optimum - reduction.incumbent_objective) >= -1e-9


def test_a_window_with_a_fixed_number_of_ones_has_something_to_exchange():
    family = TinyFamily("min")
    instance = tiny_instance(range(12), cardinality=3, start=[0] * 9 + [1] * 3)
    reduction = reduce_instance(family, instance, tiny_spec(reduce={"max_qubits": 6, "windows": 1}))
    assert reduction.reduced_model.size == 6
    assert 0 < reduction.reduced_model.cardinality < 6
    assert {step["step_name"] for step in reduction.step_log}.isdisjoint({"components", "roof_duality"})


@pytest.mark.parametrize("cardinality", [0, 4])
def test_no_choice_is_no_reduced_model(cardinality):
    reduction = reduce_instance(TinyFamily(), tiny_instance([1, 2, 3, 4], cardinality=cardinality), tiny_spec())
    assert reduction.solved_by_reduction
    assert reduction.reduced_model_optimum == (0 if cardinality == 0 else 10)
    assert reduction.incumbent_source == "reduction"


def test_a_family_step_with_copies_shrinks_the_reduced_model():
    """A path hangs on a triangle: its nodes follow their neighbours, and the triangle is left."""
    edges = {(0, 1): 1, (1, 2): 1, (0, 2): 1, (2, 3): 2, (3, 4): 1}
    steps = [{"variable": 4, "constant": 1, "copy_of": 3}, {"variable": 3, "constant": 1, "copy_of": 2}]
    instance = cut_instance(5, edges, reductions=[("leaves", True, steps)])
    reduced_model = reduce_instance(TinyFamily("max"), instance, tiny_spec()).reduced_model
    assert reduced_model.root.tolist() == [0, 1, 2, 2, 2]
    assert reduced_model.value.tolist() == [0, 0, 0, 1, 0]
    assert reduced_model.exact


def test_a_heuristic_rung_is_taken_only_where_it_is_needed_and_never_leaves_nothing():
    frustrated = {(0, 1): 3, (1, 2): 3, (0, 2): 3, (2, 3): 3, (0, 3): 3, (1, 3): 3}
    guess = [("guess", False, [{"variable": 0, "constant": 1}])]
    instance = tiny_instance([-4, -4, -4, -4], frustrated, reductions=guess)
    assert reduce_instance(TinyFamily(), instance, tiny_spec()).reduced_model.exact
    narrow = reduce_instance(TinyFamily(), instance, tiny_spec(reduce={"max_qubits": 3}))
    assert narrow.reduced_model.value[0] == 1
    assert not narrow.reduced_model.exact
    everything = [("guess", False, [{"variable": v, "constant": 1} for v in range(4)])]
    instance = tiny_instance([-4, -4, -4, -4], frustrated, reductions=everything)
    unseen = tiny_spec(reduce={"max_qubits": 3, "windows": 1})
    reduced_model = reduce_instance(TinyFamily(), instance, unseen).reduced_model
    assert reduced_model.size == 3


def test_the_ladder_is_logged_rung_by_rung():
    instance = tiny_instance([1, -2, 0, 3], {(0, 1): 1})
    reduction = reduce_instance(TinyFamily(), instance, tiny_spec())
    assert [step["step"] for step in reduction.step_log] == list(range(1, len(reduction.step_log) + 1))
    assert [step["step_name"] for step in reduction.step_log][:3] == ["validate", "components", "roof_duality"]
    left = 4
    for step in reduction.step_log:
        left -= step["variables_fixed"]
        assert step["variables_left"] == left
    assert reduction.solved_by_reduction
    assert len(reduction.step_seconds) == len(reduction.step_log)


def test_the_row_fits_the_table_and_gives_the_reduced_model_back():
    edges = {(i, j): (i + 2 * j) % 5 + 1 for i in range(6) for j in range(i + 1, 6)}
    instance = cut_instance(6, edges, start=[1, 0, 0, 1, 1, 0])
    reduction = reduce_instance(TinyFamily("max"), instance, tiny_spec(reduce={"max_qubits": 3}))
    table = from_rows(schemas.REDUCED_MODELS, [{"experiment": "tiny-00000000", **reduction.to_row()}])
    reduced_model = reduced_model_from_row(table.to_pylist()[0])
    bits = words(reduction.reduced_model.size)
    assert np.array_equal(reduced_model.expand(bits), reduction.reduced_model.expand(bits))
    assert np.array_equal(reduced_model.model.energies(bits), reduction.reduced_model.model.energies(bits))
    assert (reduced_model.cardinality, reduced_model.exact) == (
        reduction.reduced_model.cardinality,
        reduction.reduced_model.exact,
    )


def test_the_same_specification_gives_the_same_reduction():
    edges = {(i, j): (i + 2 * j) % 5 + 1 for i in range(10) for j in range(i + 1, 10)}
    instance = cut_instance(10, edges)
    spec = tiny_spec(reduce={"max_qubits": 4, "incumbent": "annealing"})
    rows = [reduce_instance(TinyFamily("max"), instance, spec).to_row() for _ in range(2)]
    for row in rows:
        del row["step_seconds"], row["reduction_seconds"]
    assert rows[0] == rows[1]


class TestIncumbent:
    # Two of four: no single swap leads from the first pair, worth 0, to the last pair, worth -2.
    instance = tiny_instance(
        [0] * 4,
        {(2, 3): -2} | {(i, j): 5 for i in (0, 1) for j in (2, 3)},
        cardinality=2,
        start=[1, 1, 0, 0],
    )

    def incumbent(self, **fields):
        reduction = reduce_instance(TinyFamily(), self.instance, tiny_spec(**fields))
        return reduction.incumbent_source, reduction.incumbent_objective, assignment_text(reduction.incumbent)

    def test_greedy_and_annealing(self):
        assert self.incumbent() == ("greedy", 0.0, "1100")
        assert self.incumbent(reduce={"incumbent": "annealing"}) == ("annealing", pytest.approx(-2.0), "0011")

    def test_the_parent_round_counts_unless_it_is_worse(self):
        better = {"round": 2, "incumbent": "0011"}
        assert self.incumbent(lineage=better) == ("parent round", pytest.approx(-2.0), "0011")
        assert self.incumbent(lineage={"round": 2, "incumbent": "1010"})[0] == "greedy"

    def test_an_incumbent_of_the_wrong_length_is_refused(self):
        with pytest.raises(InvalidInput, match="3 digits for 4 variables") as error:
            self.incumbent(lineage={"incumbent": "101"})
        assert error.value.field == "lineage.incumbent"


def test_another_seed_gives_another_window():
    edges = {(i, i + step): 1 for i in range(20) for step in (1, 2) if i + step < 20}
    instance = cut_instance(20, edges, start=[1, 0] * 10)
    kept = set()
    for seed in range(6):
        reduction = reduce_instance(TinyFamily("max"), instance, tiny_spec(reduce={"max_qubits": 6}, seed=seed))
        kept.add(tuple(np.flatnonzero(reduction.reduced_model.root >= 0)))
        assert len(assignment_array(reduction.to_row()["incumbent"])) == 20
    assert len(kept) > 2


def test_coefficients_that_are_no_numbers_are_refused():
    with pytest.raises(InvalidInput, match="are not finite numbers"):
        reduce_instance(TinyFamily(), tiny_instance([1.0, float("inf")]), tiny_spec())


@settings(deadline=None, max_examples=40)
@given(family=families, instance=tiny_instances(min_size=2))
def test_without_rules_every_variable_of_the_instance_is_a_qubit(family, instance):
    reduction = reduce_instance(family, instance, tiny_spec(reduce={"rules": "none", "max_qubits": 12}))
    reduced_model = reduction.reduced_model
    assert (reduced_model.size, reduced_model.exact, reduction.solved_by_reduction) == (instance.size, True, False)
    assert np.array_equal(reduced_model.root, np.arange(instance.size))
    assert not reduced_model.value.any()
    assert [step["step_name"] for step in reduction.step_log] == ["validate", "incumbent"]
    bits = words(instance.size)
    assert np.allclose(
        reduced_model.model.energies(bits),
        family.penalised_model(instance).model.assignment_energies(all_rows(instance.size)),
    )
    assert reduction.reduced_model_optimum == pytest.approx(optimum(family, instance))


def test_without_rules_too_large_an_instance_is_refused_and_both_numbers_are_named():
    instance = cut_instance(9, {(0, 8): 1})
    with pytest.raises(InvalidInput, match="9 variables, reduction is switched off, and at most 8") as caught:
        reduce_instance(TinyFamily("max"), instance, tiny_spec(reduce={"rules": "none", "max_qubits": 8}))
    assert caught.value.field == "reduce.rules"


class TestLastStepOfAnAnsatz:
    @staticmethod
    def join_first_two(model):
        source, value = np.arange(model.size, dtype=np.int32), np.zeros(model.size, dtype=np.uint8)
        source[1], value[1] = 0, 1
        return VariableMap.from_sources(source, value), "1 follows 0"

    def test_it_is_logged_and_makes_the_reduction_heuristic(self):
        instance = cut_instance(5, {(i, j): 1 for i in range(5) for j in range(i + 1, 5)})
        spec = tiny_spec(ansatz={"kind": "recursive_qaoa"})
        reduction = reduce_instance(TinyFamily("max"), instance, spec, eliminate=self.join_first_two)
        step = reduction.step_log[-1]
        assert (step["step_name"], step["variables_fixed"], step["note"]) == ("recursive_qaoa", 1, "1 follows 0")
        assert not reduction.reduced_model.exact
        bits = words(reduction.reduced_model.size)
        expanded = reduction.reduced_model.expand(bits)
        energies = TinyFamily("max").penalised_model(instance).model.assignment_energies(expanded)
        assert np.allclose(reduction.reduced_model.model.energies(bits), energies)

    def test_a_fixed_number_of_ones_is_refused(self):
        spec = tiny_spec(ansatz={"kind": "recursive_qaoa"})
        with pytest.raises(InvalidInput, match="fixes how many are 1") as error:
            reduce_instance(TinyFamily(), tiny_instance(range(6), cardinality=3), spec, eliminate=self.join_first_two)
        assert error.value.field == "ansatz.kind"
