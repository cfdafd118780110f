"""What a difference is made of: known causes are named, two at once as two, and none as none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhybrid_pipelines.problems.execution_differences import Cause, changed_facts, describe_difference
from qhybrid_pipelines_tests.support.known_changes import BEFORE, KNOWN, compare_settings


@pytest.mark.parametrize(("pairs", "least_attributed"), [(20, 19), pytest.param(100, 95, marks=pytest.mark.long)])
@pytest.mark.parametrize("cause", list(KNOWN))
def test_a_known_cause_is_seen_and_named(cause, pairs, least_attributed):
    attributed = 0
    for seed in range(pairs):
        difference, _, conclusion = compare_settings(BEFORE, KNOWN[cause], seed=seed)
        attributed += difference.is_beyond_shot_noise and conclusion.endswith(f". What changed: {cause}.")
    assert attributed >= least_attributed


def test_two_causes_at_once_are_named_as_two():
    after = replace(KNOWN[Cause.CALIBRATION], gamma=0.46)
    _, _, conclusion = compare_settings(BEFORE, after, seed=1)
    assert conclusion.endswith("Specification and calibration changed at once; two runs cannot tell them apart.")


def test_what_nothing_recorded_explains_is_not_attributable():
    """The machine became worse, and its calibration was not renewed."""
    _, changes, conclusion = compare_settings(BEFORE, replace(BEFORE, two_qubit_error=0.03, seed=8), seed=1)
    assert [change.cause for change in changes] == [Cause.SEED]
    assert "not attributable" in conclusion


def test_a_change_without_effect_is_said_to_have_none():
    _, _, conclusion = compare_settings(BEFORE, replace(BEFORE, calibration_id="2026-05-02"), seed=3)
    assert conclusion.startswith("The counts agree within shot noise")
    assert conclusion.endswith("although calibration changed.")


def facts(**changes):
    return {**BEFORE.facts(), **changes}


def test_hashes_are_shortened_and_missing_values_named():
    before = facts(specification={"problem": {"circuit": {"sha256": "a" * 64}}, "name": "x"})
    after = facts(specification={"problem": {"circuit": None}, "name": "y", "sweep": {"points": 4}})
    found = {change.fact: (change.before, change.after) for change in changed_facts(before, after, angles_differ=True)}
    assert found == {
        "problem.circuit.sha256": ("a" * 12, "none"),
        "sweep.points": ("none", "4"),
    }


def test_angles_count_where_no_field_says_why():
    (change,) = changed_facts(facts(), facts(), angles_differ=True)
    assert (change.cause, change.fact) == (Cause.SPECIFICATION, "angles")


def test_packages_are_named_one_by_one():
    old, new = (
        {**BEFORE.facts()["provenance"], "packages": p} for p in ('{"numpy": "2.2"}', '{"numpy": "2.3", "x": "1"}')
    )
    found = [str(change) for change in changed_facts(facts(provenance=old), facts(provenance=new), angles_differ=False)]
    assert found == ["package numpy: 2.2 -> 2.3", "package x: none -> 1"]


def test_a_circuit_compiled_for_another_calibration_is_not_another_compiler():
    after = replace(BEFORE, calibration_id="later", two_qubit_gates=30)
    assert {c.cause for c in changed_facts(BEFORE.facts(), after.facts(), angles_differ=False)} == {Cause.CALIBRATION}


def test_three_causes_make_a_list():
    after = replace(KNOWN[Cause.BACKEND], gamma=0.5, calibration_id="other")
    changes = changed_facts(BEFORE.facts(), after.facts(), angles_differ=False)
    said = describe_difference(changes, beyond_shot_noise=True, identical=False, p_value=0.001)
    assert said == (
        "The counts differ beyond shot noise (p = 0.001). Specification, backend and calibration changed at once; "
        "two runs cannot tell them apart."
    )
