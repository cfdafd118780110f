"""One page, many experiments: the product in order, each with its name and lines; wrong pages are refused whole."""

from __future__ import annotations

import itertools

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.specification_text import read_experiment, read_experiments

PAGE = "name: cube\nproblem: {family: maxcut, source: 'networkx:cubical'}\n"


def read(text: str):
    return [one.specification for one in read_experiments(PAGE + text, file="cube.yaml")]


def test_every_combination_is_an_experiment_of_its_own_and_the_last_field_turns_fastest():
    specs = read("vary: {ansatz.layers: [1, 2, 3], shots: [128, 1024]}\n")
    assert [(spec.ansatz.layers, spec.shots) for spec in specs] == list(itertools.product([1, 2, 3], [128, 1024]))
    assert [spec.name for spec in specs[:2]] == ["cube layers 1 shots 128", "cube layers 1 shots 1024"]
    assert len({experiment_key(spec) for spec in specs}) == 6


def test_a_combination_is_what_its_own_page_would_be():
    *_, varied = read("vary: {sweep.strategy: [grid, ramp], problem.options.best_known: [11.0, 12.0]}\n")
    alone = (
        "name: cube strategy ramp best_known 12.0\n"
        "problem: {family: maxcut, source: 'networkx:cubical', options: {best_known: 12.0}}\nsweep: {strategy: ramp}\n"
    )
    assert experiment_key(varied) == experiment_key(read_experiment(alone, file="alone.yaml")[0])


def test_parameters_of_a_generator_backends_and_whole_sections_can_be_varied():
    text = (
        "name: graphs\nproblem: {family: maxcut, source: {generator: random_regular, degree: 3}}\n"
        "vary: {problem.source.nodes: [8, 10], backends: [['local:auto'], ['ibm:fake_torino']], sweep: [auto, {strategy: fixed_angles, points: 3}]}\n"
    )
    specs = [one.specification for one in read_experiments(text, file="graphs.yaml")]
    assert len(specs) == 8
    assert {spec.problem.source.nodes for spec in specs} == {8, 10}
    assert {spec.sweep.strategy for spec in specs} == {"auto", "fixed_angles"}
    assert len({experiment_key(spec) for spec in specs}) == 8


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=5, unique=True),
    st.lists(st.integers(0, 99), min_size=1, unique=True, max_size=5),
)
def test_the_product_whatever_the_values(shots, seeds):
    specs = read(yaml.safe_dump({"vary": {"seed": seeds, "shots": shots}}))
    assert [(spec.seed, spec.shots) for spec in specs] == list(itertools.product(seeds, shots))
    assert all(len(spec.name) <= 64 for spec in specs)


def test_long_names_and_values_stay_names():
    specs = read(
        "vary: {problem.options.best_known: [1.0e+300, -1.0e-300], compile: [template, points], seed: [1234567890]}\n"
    )
    assert len({experiment_key(spec) for spec in specs}) == 4
    assert all(len(spec.name) <= 64 for spec in specs)


WRONG = {
    "a mistyped field": ("vary: {ansatz.layer: [1, 2]}\n", 3, "ansatz.layer", "layers"),
    "a wrong value": ("vary:\n  shots: [1]\n  seed: [1, -1]\n", 5, "seed", "0"),
    "one value": ("vary: {shots: 100}\n", 3, "vary.shots", "list of values"),
    "an empty list": ("vary: {shots: []}\n", 3, "vary.shots", "list of values"),
    "no fields": ("vary: []\n", 3, "vary", "must hold fields"),
    "a value twice": ("vary: {shots: [1, 1]}\n", 3, "vary.shots", "twice"),
    "a field given above": ("shots: 5\nvary: {shots: [1, 2]}\n", 4, "vary.shots", "given"),
    "a part of a field given as a whole": (
        "sweep: auto\nvary: {sweep.points: [1, 2]}\n",
        4,
        "vary.sweep.points",
        "sweep is given",
    ),
    "the name": ("vary: {name: [a, b]}\n", 3, "vary.name", "cannot be varied"),
    "too many": (
        f"vary: {{seed: {list(range(100))}, shots: {list(range(1, 101))}}}\n",
        3,
        "vary",
        "100 x 100 are 10,000 experiments",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_pages_name_line_field_and_reason(case):
    text, line, field, reason = WRONG[case]
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert reason in str(caught.value)


def test_where_one_experiment_is_asked_for_several_are_refused():
    with pytest.raises(InvalidInput, match="makes 2 experiments"):
        read_experiment(PAGE + "vary: {shots: [1, 2]}\n", file="cube.yaml")
