"""What holds for every family, whichever modules are there: one contract, run over small generated instances."""

from __future__ import annotations

import math
from functools import cache

import dimod
import numpy as np
import pytest

from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.specifications.experiment_specification import ProblemSpec, StrictModel
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction_steps import follow_substitutions
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support import family_cases
from qhybrid_pipelines_tests.support.family_cases import all_cases, cases_for

#: Small parameters for every generator; at most 10 variables, so that everything can be enumerated.
SMALL = {
    (family, generator): parameters
    for family, cases in all_cases().items()
    for generator, parameters in cases.small.items()
}

CASES = [(family, generator, index) for (family, generator), many in SMALL.items() for index in range(len(many))]
IDS = [f"{family}-{generator}-{index}" for family, generator, index in CASES]
every_case = pytest.mark.parametrize("case", CASES, ids=IDS)


def fresh(case):
    family, generator, index = case
    source = {"generator": generator, **SMALL[family, generator][index]}
    return load_instance(ProblemSpec.model_validate({"family": family, "source": source}), lambda _: b"")


@cache
def prepared(case):
    """Family, instance, every assignment, its objective, whether it is feasible."""
    family, instance = all_families()[case[0]], fresh(case)
    rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
    return family, instance, rows, family.objective(instance, rows), family.feasible(instance, rows)


def best_feasible(family, objective, feasible):
    return (max if family.sense == "max" else min)(objective[feasible])


def test_every_generator_of_every_family_is_tried_here():
    assert {(f.name, generator) for f in all_families().values() for generator in f.generators} == set(SMALL)
    assert all(SMALL.values())


def test_a_family_without_cases_is_told_what_to_write(monkeypatch, tmp_path):
    with pytest.raises(LookupError, match=r"write .*families/test_knapsack.py with CASES = FamilyCases"):
        cases_for("knapsack")
    monkeypatch.setattr(family_cases, "FOLDER", tmp_path / "a" / "b" / "c" / "d")
    family_cases.FOLDER.mkdir(parents=True)
    path = family_cases.FOLDER / "test_qubo.py"
    path.write_text("")
    with pytest.raises(LookupError, match=r"test_qubo.py has no CASES"):
        cases_for.__wrapped__("qubo")
    path.write_text(
        "from qhybrid_pipelines_tests.support.family_cases import FamilyCases\n"
        "CASES = FamilyCases(small={'randon': []}, definition=lambda payload, x: (0.0, True))\n"
    )
    with pytest.raises(LookupError, match=r"no parameters for \['random'\], no generator named \['randon'\]"):
        cases_for.__wrapped__("qubo")


@every_case
def test_objective_and_feasibility_are_what_the_definition_says(case):
    _, instance, rows, objective, feasible = prepared(case)
    definition, payload = cases_for(case[0]).definition, instance.payload
    scale = np.abs(objective).max() + 1
    for row, value, allowed in zip(rows[::7], objective[::7], feasible[::7], strict=True):
        expected, expected_feasible = definition(payload, row.tolist())
        assert value == pytest.approx(expected, abs=1e-9 * scale)
        assert allowed == expected_feasible


@pytest.mark.parametrize("name", all_families())
def test_descriptions_are_complete(name):
    family = all_families()[name]
    assert family.name == name
    assert family.sense in ("max", "min")
    assert family.title
    assert family.unit
    assert family.solver_name
    assert issubclass(family.options, StrictModel)
    assert "best_known" in family.options.model_fields
    family.options()  # every option has a default
    for model in (family.options, *(parameters for parameters, _ in family.generators.values())):
        assert all(field.description for field in model.model_fields.values()), model
    for ending, fmt in family.file_suffixes.items():
        assert ending.startswith(".")
        assert ending == ending.lower()
        assert fmt in {*family.parsers, *family.binary_parsers}


@every_case
def test_the_same_seed_makes_the_same_instance_and_another_seed_another(case):
    family, generator, index = case
    first, second = fresh(case), fresh(case)
    assert (first.sha256, first.name, first.variables) == (second.sha256, second.name, second.variables)
    parameters = SMALL[family, generator][index]
    if "seed" not in all_families()[family].generators[generator][0].model_fields:
        others = [fresh((family, generator, other)) for other in range(len(SMALL[family, generator])) if other != index]
        assert others, "a generator without a seed needs two cases"
        assert all(other.sha256 != first.sha256 and other.name != first.name for other in others)
        return
    names = {case_parameters["seed"] for case_parameters in SMALL[family, generator]}
    other_source = {"generator": generator, **parameters, "seed": max(names) + 100}
    other = load_instance(ProblemSpec.model_validate({"family": family, "source": other_source}), lambda _: b"")
    assert other.name != first.name
    if first.size > 1 and generator != "random_regular":
        assert other.sha256 != first.sha256


@every_case
def test_an_instance_survives_its_table_row(case):
    family, instance, rows, objective, _ = prepared(case)
    row = {
        "instance": instance.name,
        "family": instance.family,
        "variables": list(instance.variables),
        "payload": instance.canonical,
        "best_known": instance.best_known,
        "source": instance.source,
    }
    again = Instance.from_row(row)
    assert again.sha256 == instance.sha256
    np.testing.assert_array_equal(family.objective(again, rows), objective)
    assert len(set(instance.variables)) == instance.size


@every_case
def test_penalised_energy_is_signed_objective_plus_weighted_violation(case):
    family, instance, rows, objective, feasible = prepared(case)
    penalised_model = family.penalised_model(instance)
    assert penalised_model.sign == (-1 if family.sense == "max" else 1)
    assert penalised_model.model.size == instance.size
    energies = penalised_model.model.assignment_energies(rows)
    scale = np.abs(energies).max() + 1
    excess = energies - penalised_model.sign * objective
    np.testing.assert_allclose(excess[feasible], 0, atol=1e-9 * scale)
    if penalised_model.penalty_weight:
        # The violation is a whole number of conflicts, or a squared number of ones too many: 1 at least.
        violation = excess[~feasible] / penalised_model.penalty_weight
        np.testing.assert_allclose(violation, np.rint(violation), atol=1e-6)
        assert (np.rint(violation) >= 1).all()
    else:
        assert feasible.all()
    lowest = energies.min()
    assert lowest == pytest.approx(penalised_model.sign * best_feasible(family, objective, feasible), abs=1e-9 * scale)
    assert feasible[energies <= lowest + 1e-9 * scale].all()


@every_case
def test_the_canonical_model_agrees_on_objective_and_feasibility(case):
    family, instance, rows, objective, feasible = prepared(case)
    model = family.model(instance)
    assert set(model.variables) == set(instance.variables)
    sign = -1 if family.sense == "max" else 1
    scale = np.abs(objective).max() + 1
    if isinstance(model, dimod.BinaryPolynomial):
        assert feasible.all()
        of_bit = {dimod.SPIN: (1, -1), dimod.BINARY: (0, 1)}[model.vartype]
        values = [
            model.energy({name: of_bit[bit] for name, bit in zip(instance.variables, row, strict=True)})
            for row in rows[::3].tolist()
        ]
        np.testing.assert_allclose(values, sign * objective[::3], atol=1e-9 * scale)
        return
    assert isinstance(model, dimod.ConstrainedQuadraticModel)
    assert all(model.vartype(v) is dimod.BINARY for v in model.variables)
    for row, value, allowed in zip(rows[::3], objective[::3], feasible[::3], strict=True):
        sample = dict(zip(instance.variables, row.tolist(), strict=True))
        assert model.check_feasible(sample) == allowed
        if allowed:
            assert model.objective.energy(sample) == pytest.approx(sign * value, abs=1e-9 * scale)


@every_case
def test_violation_names_something_exactly_where_a_row_is_infeasible(case):
    family, instance, rows, objective, feasible = prepared(case)
    # In a market split every row is feasible, but only a solution misses no target.
    clean = objective == 0 if case[0] == "market_split" else feasible
    for row, nothing in zip(rows[::5], clean[::5], strict=True):
        assert (family.violation(instance, row) == "") == nothing


@every_case
def test_repair_keeps_feasible_rows_and_makes_the_others_feasible(case):
    family, instance, rows, _, feasible = prepared(case)
    before = rows.copy()
    repaired = family.repair(instance, rows)
    np.testing.assert_array_equal(rows, before)
    assert (repaired.shape, repaired.dtype) == (rows.shape, rows.dtype)
    np.testing.assert_array_equal(repaired[feasible], rows[feasible])
    assert family.feasible(instance, repaired).all()
    np.testing.assert_array_equal(family.repair(instance, rows[7:9]), repaired[7:9])


@every_case
def test_values_of_a_row_do_not_depend_on_the_rows_beside_it(case):
    family, instance, rows, objective, feasible = prepared(case)
    some = [0, len(rows) - 1, len(rows) // 3]
    for index in some:
        assert family.objective(instance, rows[index : index + 1])[0] == objective[index]
        assert family.feasible(instance, rows[index : index + 1])[0] == feasible[index]
    assert family.objective(instance, rows[:0]).shape == (0,)
    assert family.feasible(instance, rows[:0]).shape == (0,)


@every_case
def test_cardinality_is_what_feasible_rows_have(case):
    family, instance, rows, _, feasible = prepared(case)
    ones = family.cardinality(instance)
    if ones is not None:
        assert set(rows[feasible].sum(axis=1).tolist()) == {ones}


@every_case
def test_greedy_and_solver_are_deterministic_and_the_solver_finds_the_optimum(case):
    family, instance, _, objective, feasible = prepared(case)
    for seed in (0, 7):
        greedy = family.greedy(instance, seed)
        assert (greedy.shape, greedy.dtype) == ((instance.size,), np.uint8)
        np.testing.assert_array_equal(greedy, family.greedy(instance, seed))
        assert family.feasible(instance, greedy[None])[0]
        answer = family.solve(instance, seed)
        np.testing.assert_array_equal(answer.assignment, family.solve(instance, seed).assignment)
        best = best_feasible(family, objective, feasible)
        scale = np.abs(objective[feasible]).max() + 1
        assert family.feasible(instance, answer.assignment[None])[0]
        found = family.objective(instance, answer.assignment[None])[0]
        assert found == pytest.approx(best, abs=1e-9 * scale)
        if answer.bound is not None:
            slack = best - answer.bound if family.sense == "min" else answer.bound - best
            assert slack >= -1e-9 * scale
        if answer.optimal and answer.bound is not None:
            assert answer.bound == pytest.approx(best, abs=1e-6 * scale)


@every_case
def test_exact_reductions_keep_an_optimum_and_come_first(case):
    family, instance, _, objective, feasible = prepared(case)
    found = family.reductions(instance, 4)
    exact = [reduction.exact for reduction in found]
    assert exact == sorted(exact, reverse=True)
    variables = VariableMap.identity(instance.size)
    for reduction in found:
        assert reduction.step_name
        assert reduction.note
        if not reduction.exact:
            continue
        variables = variables.compose(follow_substitutions(variables, reduction.substitutions))
    words = unpack(np.arange(2**variables.size, dtype=np.uint64), variables.size)
    reachable = np.broadcast_to(variables.value, (len(words), instance.size)).copy()
    copied = variables.root >= 0
    reachable[:, copied] ^= words[:, variables.root[copied]]
    values = family.objective(instance, reachable)[family.feasible(instance, reachable)]
    best = best_feasible(family, objective, feasible)
    assert (max if family.sense == "max" else min)(values) == pytest.approx(best, abs=1e-9 * (abs(best) + 1))


@every_case
def test_features_are_finite_numbers(case):
    family, instance, *_ = prepared(case)
    features = family.features(instance)
    assert features
    for name, value in features.items():
        assert isinstance(value, float), name
        assert math.isfinite(value), name
        assert name.isidentifier()
    assert features == family.features(instance)
