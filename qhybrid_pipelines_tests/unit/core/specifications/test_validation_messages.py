"""Findings of a validation as a person reads them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.validation_messages import first_finding

GOOD = {"name": "x", "problem": {"family": "maxcut", "source": "networkx:petersen"}}


def found(**changes):
    data = {**GOOD, **changes}
    with pytest.raises(ValidationError) as caught:
        ExperimentSpec.model_validate(data)
    return first_finding(caught.value, data, ExperimentSpec)


@pytest.mark.parametrize("wrong", [[1], "many", 1.5, None, True, {"a": 1}])
def test_no_name_of_a_python_type_reaches_a_person(wrong):
    for field in ("shots", "problem", "sweep", "backends", "baselines", "tier"):
        finding = found(**{field: wrong})
        text = f"{finding.problem} {finding.remedy}"
        assert finding.path[0] == field
        for jargon in ("tuple", "dict", "instance of", "Input should", "validation", "Spec", "literal"):
            assert jargon not in text, text


def test_a_misspelt_field_is_named_before_the_one_that_is_missing_for_it():
    finding = found(problem={"famly": "maxcut", "source": "networkx:petersen"})
    assert finding.path == ("problem", "famly")
    assert finding.problem == "unknown field (and 1 more field is wrong)"
    assert (
        finding.remedy
        == "Did you mean family? Known here: family, source, format, options, circuit, circuit_variables."
    )


def test_a_misspelt_choice_is_recognised():
    assert found(sweep={"strategy": "fixed-angles"}).remedy == "Did you mean fixed_angles?"


def test_only_the_kind_of_source_that_was_meant_complains():
    assert found(problem={"family": "maxcut", "source": {"file": "a.mc"}}).path == ("problem", "source", "sha256")
    assert found(problem={"family": "maxcut", "source": {"generator": 7}}).path == ("problem", "source", "generator")
    assert "networkx:NAME" in found(problem={"family": "maxcut", "source": ["a.mc"]}).problem


def test_a_field_with_the_name_of_a_type_is_still_a_field():
    finding = found(problem={"family": "maxcut", "source": {"generator": "g", "str": [1]}})
    assert finding.path == ("problem", "source", "str")
    assert finding.problem == "this must be one plain value"


def test_long_text_is_cut():
    assert len(found(tier="x" * 10_000).problem) < 200
