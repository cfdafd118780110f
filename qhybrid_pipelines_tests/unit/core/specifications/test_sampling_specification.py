"""Sampling specifications: short forms, defaults, and every mistake with its line."""

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.commented_defaults import commented_sampling_default
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiment

HEAD = "kind: sampling\nname: s\n"


def read(text):
    return read_experiment(text, file="s.yaml")[0]


def test_the_commented_default_can_be_run_as_it_is():
    found = read(commented_sampling_default())
    assert isinstance(found, SamplingSpec)
    assert found == SamplingSpec(name="ghz-series", circuit={"family": "ghz", "widths": [3, 4, 5]})


@pytest.mark.parametrize(
    ("written", "expected"),
    [("4", (4,)), ("[4, 2]", (4, 2)), ("{from: 3, to: 6}", (3, 4, 5, 6)), ("{from: 3, to: 8, step: 2}", (3, 5, 7))],
)
def test_widths_may_be_written_in_three_ways(written, expected):
    found = read(f"{HEAD}circuit: {{family: ghz, widths: {written}}}\n")
    assert found.circuit.widths == expected


def test_a_range_and_its_list_are_the_same_experiment():
    one, other = (read(f"{HEAD}circuit: {{family: ghz, widths: {w}}}\n") for w in ("{from: 3, to: 5}", "[3, 4, 5]"))
    assert experiment_key(one) == experiment_key(other)


def test_experiments_without_observables_keep_their_key():
    page = f"{HEAD}circuit: {{family: ghz, widths: 3}}\n"
    plain = read(page)
    assert not {"observables", "mitigation"} & plain.model_dump(mode="json").keys()
    assert experiment_key(plain) == "s-e438560241d4d076"
    one, other = (read(f"{page}observables: {names}\n") for names in ("[Z1 Z0]", "[Z0Z1]"))
    assert one.observables == ("Z0 Z1",)
    assert experiment_key(one) == experiment_key(other) != experiment_key(plain)


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("kind: samplin\nname: s\n", 1, "kind", "Did you mean sampling?"),
        ("name: s\ncircuit: {family: ghz, widths: 3}\n", 2, "kind", "kind: sampling"),
        (f"{HEAD}circuit:\n  family: gzh\n  widths: 3\n", 4, "circuit.family", "Did you mean ghz?"),
        (f"{HEAD}circuit:\n  family: ghz\n", 3, "circuit", "needs widths"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: [3, 3]\n", 5, "circuit.widths", "once"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: {{from: 5, to: 3}}\n", 5, "circuit.widths", "goes up"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: {{form: 3, to: 5}}\n", 5, "circuit.widths", "from: 3, to: 12"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: 300\n", 5, "circuit.widths", "at most 128"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: 3\n  wdths: 3\n", 6, "circuit.wdths", "Did you mean widths?"),
        (
            f"{HEAD}circuit: {{family: ghz, widths: 3}}\nobservables: [Z0, Q1]\n",
            4,
            "observables.1",
            "not a product of X, Y and Z",
        ),
        (
            f"{HEAD}circuit: {{family: ghz, widths: 3}}\nobservables: [Z0 X0]\n",
            4,
            "observables.0",
            "names a qubit twice",
        ),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nobservables: [Z0 Z1, Z1 Z0]\n", 4, "observables", "named once"),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nobservables: Z0\n", 4, "observables", "brackets"),
        (
            f"{HEAD}circuit: {{family: ghz, widths: 3}}\nobservabels: [Z0]\n",
            4,
            "observabels",
            "Did you mean observables?",
        ),
        (
            f"{HEAD}circuit: {{family: ghz, widths: 3}}\nmitigation: {{estimation: two_body}}\n",
            4,
            "mitigation",
            "no observables are named",
        ),
        (f"{HEAD}circuit: {{}}\n", 3, "circuit", "name a family, or files"),
        (f"{HEAD}circuit:\n  family: ghz\n  widths: 3\n  files: [a.qasm]\n", 4, "circuit.family", "one of the two"),
        (f"{HEAD}circuit:\n  files: [a.qasm]\n  widths: 3\n", 5, "circuit.widths", "that of the file"),
        (f"{HEAD}circuit:\n  files: a.qasm\n", 4, "circuit.files", "brackets"),
        (
            f"{HEAD}circuit:\n  family: mirror\n  widths: {{from: 2, to: 60}}\n  instances: 9\n",
            5,
            "circuit.widths",
            "531 circuits",
        ),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nreference:\n  outcome: 2\n", 5, "reference.outcome", "quotes"),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nreference:\n  outcome: '02'\n", 5, "reference.outcome", "0"),
        (
            f"{HEAD}circuit: {{family: ghz, widths: 3}}\nreference:\n  outcome: '000'\n  file: a.csv\n",
            5,
            "reference.outcome",
            "keep one",
        ),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nmargin: 0.9\n", 4, "margin", "at most 0.5"),
        (f"{HEAD}circuit: {{family: ghz, widths: 3}}\nproblem: {{family: maxcut}}\n", 4, "problem", "unknown field"),
    ],
)
def test_every_mistake_names_its_line_and_what_to_do(text, line, field, says):
    with pytest.raises(InvalidInput) as caught:
        read(text)
    error = caught.value
    assert error.line == line, str(error)
    assert error.field == field
    assert says in f"{error.problem} {error.remedy}"
