"""Owner and tags: on the page, never in the key; wrong ones name their line."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.labels import Labels
from qhybrid_pipelines.core.specifications.specification_text import read_experiments

PAGE = "name: cube\nproblem: {family: maxcut, source: 'networkx:cubical'}\n"


def read(text: str):
    return read_experiments(PAGE + text, file="cube.yaml")


def test_labels_are_not_part_of_the_key():
    [plain], [labelled] = read(""), read("owner: ada\ntags: [paper, depth, paper]\n")
    assert experiment_key(plain.specification) == experiment_key(labelled.specification)
    assert (plain.labels, labelled.labels) == ({}, {"owner": "ada", "tags": ("depth", "paper")})


def test_every_experiment_of_a_page_has_its_labels():
    found = read("owner: Ada Lovelace\nvary: {shots: [1, 2]}\n")
    assert [one.labels for one in found] == [{"owner": "Ada Lovelace"}] * 2


def test_a_learning_experiment_has_labels_too():
    text = 'kind: qml\nname: wines\ndataset: {source: "sklearn:wine"}\ntags: [course]\n'
    [found] = read_experiments(text, file="wines.yaml")
    assert found.labels == {"tags": ("course",)}


def test_rows_say_what_each_is():
    labels = Labels(owner="ada", tags=("a", "b"), archived=True)
    assert labels.rows() == [("owner", "ada"), ("tag", "a"), ("tag", "b"), ("archived", "true")]
    assert Labels().rows() == []


WRONG = {
    "a number": ("owner: 7\n", 3, "owner"),
    "no name": ("owner: ' '\n", 3, "owner"),
    "an escape": ('owner: "a\\e[31m"\n', 3, "owner"),
    "one tag without brackets": ("tags: paper\n", 3, "tags"),
    "a list in a list": ("tags: [[paper]]\n", 3, "tags"),
    "a tag with a comma": ("tags: ['a,b']\n", 3, "tags"),
    "too many": (f"tags: [{', '.join(f't{i}' for i in range(21))}]\n", 3, "tags"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_labels_name_line_and_field(case):
    text, line, field = WRONG[case]
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert caught.value.remedy
