"""Reading a specification: the same content is the same experiment, and whatever is wrong has a place and a remedy."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.commented_defaults import commented_default
from qhybrid_pipelines.core.specifications.experiment_key import KEY_PATTERN, check_key, experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.core.specifications.specification_text import MAX_BYTES, read_mapping, read_specification

SMALLEST = {"name": "karate", "problem": {"family": "maxcut", "source": "networkx:karate_club"}}
FULL = {
    "name": "Karate in full",
    "tier": "interactive",
    "problem": {"family": "maxcut", "source": {"generator": "torus", "rows": 3, "columns": 4}, "options": {}},
    "reduce": {"max_qubits": 12, "incumbent": "annealing"},
    "ansatz": {"kind": "qaoa", "layers": 2, "mixer": "x"},
    "sweep": {"strategy": "refine", "points": 4, "center": [0.25, 1, 0.5, 2.0], "spread": 0.1},
    "shots": 100,
    "seed": 3,
    "repetitions": 2,
    "backends": ["local:auto", "local:aer-sampler"],
    "baselines": ["tabu"],
    "rounds": {"max": 3},
    "budget": {"usd": 2},
}


def make_spec(text, file="x.yaml"):
    return read_specification(text, file=file)[0]


def get_refusal(text):
    try:
        read_specification(text, file="x.yaml")
    except InvalidInput as error:
        return error
    return None


def shuffled(draw, value):
    if isinstance(value, dict):
        return {name: shuffled(draw, value[name]) for name in draw(st.permutations(list(value)))}
    return value


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_key_depends_on_content_and_not_on_how_it_is_written(data):
    content = shuffled(data.draw, FULL)
    flow = data.draw(st.sampled_from([True, False, None]))
    texts = [
        yaml.safe_dump(content, sort_keys=False, default_flow_style=flow),
        "\ufeff# licence\r\n" + yaml.safe_dump(content, sort_keys=False).replace("\n", "\r\n"),
        json.dumps(content),
    ]
    keys = {experiment_key(make_spec(text.removeprefix("\ufeff"))) for text in texts}
    keys.add(experiment_key(make_spec(json.dumps(content, indent="\t"), file="x.json")))
    assert keys == {experiment_key(ExperimentSpec.model_validate(FULL))}


def test_keys_of_this_release_stay():
    """A change of these keys makes every registered experiment run again."""
    # The smallest one named nothing; what that meant until whole instances were taken where they fit, and until angles were
    # optimised by default, has the keys that it had.
    narrow = {**SMALLEST, "reduce": {"max_qubits": 16}}
    before = {**narrow, "sweep": {"strategy": "fixed_angles", "points": 16}}
    assert experiment_key(ExperimentSpec.model_validate(before)) == "karate-fa26ba2147849426"
    assert experiment_key(ExperimentSpec.model_validate(narrow)) == "karate-a5144bd2e7cc69a8"
    assert experiment_key(ExperimentSpec.model_validate(SMALLEST)) == "karate-f2a3fee1a9c14eda"
    assert experiment_key(ExperimentSpec.model_validate(FULL)) == "karate-in-full-85d1e3f6be103a79"


def test_what_stands_as_default_may_be_left_away():
    everything = ExperimentSpec.model_validate(SMALLEST).model_dump(mode="json")
    assert make_spec(json.dumps(everything)) == make_spec(yaml.safe_dump(SMALLEST))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "karate2"},
        {"shots": 1023},
        {"seed": 8},
        {"budget": {"usd": 0.5}},
        {"backends": ["local:aer-exact"]},
        {"problem": {"family": "maxcut", "source": "networkx:petersen"}},
    ],
)
def test_other_content_has_another_key(change):
    base, other = (ExperimentSpec.model_validate(content) for content in (SMALLEST, SMALLEST | change))
    assert experiment_key(base)[-16:] != experiment_key(other)[-16:]


@settings(deadline=None, max_examples=100)
@given(name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", fullmatch=True))
def test_every_name_makes_a_key_without_path_characters(name):
    key = experiment_key(ExperimentSpec.model_validate(SMALLEST | {"name": name}))
    assert check_key(key) == key
    assert KEY_PATTERN.fullmatch(key)
    assert len(key) <= 65


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "../../x",
        "a|b",
        "/etc/passwd-00000000",
        "a-0000000g",
        "A-00000000",
        "a-00000000\n",
        "a--00000000",
        "a-0000000000",
        "a-000000000000000g",
    ],
)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(InvalidInput, match="is not an experiment key"):
        check_key(key)


def test_the_commented_default_is_complete_and_is_the_default():
    text = commented_default()
    spec = make_spec(text)
    problem = ProblemSpec(family="maxcut", source="networkx:karate_club")
    assert spec == ExperimentSpec(name="maxcut-karate", problem=problem)
    given = yaml.safe_load(text)
    assert set(given) == set(ExperimentSpec.model_fields) - {"lineage"}
    assert all(line.strip().startswith(("#", *"abcdefghijklmnopqrstuvwxyz")) for line in text.splitlines())


def test_a_specification_goes_through_json_unchanged():
    spec = ExperimentSpec.model_validate(FULL)
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec
    assert [repr(angle) for angle in spec.sweep.center or ()] == ["0.25", "1.0", "0.5", "2.0"]


def test_every_field_has_a_line():
    _, lines = read_mapping("name: x\nproblem:\n  family: a\n  source: {generator: g, nodes: 3}\n", file="x.yaml")
    assert lines["name",] == 1
    assert lines["problem", "source", "nodes"] == 4


def test_specifications_cannot_be_changed():
    spec = ExperimentSpec.model_validate(SMALLEST)
    with pytest.raises(Exception, match="frozen"):
        spec.shots = 3  # type: ignore[misc]


def test_a_field_given_twice_names_both_lines():
    with pytest.raises(InvalidInput, match=r"x.yaml, line 3, field 'shots': .* line 1"):
        read_mapping("shots: 1\nname: x\nshots: 2\n", file="x.yaml")


def test_the_size_is_looked_at_first():
    with pytest.raises(InvalidInput, match="256 kB"):
        read_mapping("[" * (MAX_BYTES + 1), file="x.yaml")


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(st.text(max_size=200), st.text(alphabet="nameproblm:{}[]&*!|>-?'\"\n\t 01.", max_size=200)))
def test_any_text_is_read_or_refused_with_a_remedy(text):
    error = get_refusal(text)
    assert error is None or (error.file == "x.yaml" and error.remedy)


@settings(deadline=None, max_examples=200)
@given(
    content=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    field=st.sampled_from(list(ExperimentSpec.model_fields)),
)
def test_any_value_in_any_field_is_taken_or_refused_with_its_place(content, field):
    error = get_refusal(yaml.safe_dump({**SMALLEST, field: content}, sort_keys=False))
    if error is not None:
        assert error.remedy
        assert error.line is not None or error.field is None
        assert "Input should" not in error.problem
