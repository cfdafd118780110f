"""Names: dots that are not an ending stay, and accents are one name however they are stored."""

from __future__ import annotations

import unicodedata

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import FORMAT_ENDINGS, composed, find_file, name_without_ending
from qhybrid_pipelines.problems.registry import all_families

CAFE, CAFE_IN_PARTS = "café", unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("g05_60.0", "g05_60.0"),
        ("g05_60.1", "g05_60.1"),
        ("g05_60.1.rud", "g05_60.1"),
        ("pm1s_80.10.MC", "pm1s_80.10"),
        ("release.v2", "release.v2"),
        ("v1.2.csv", "v1.2"),
        ("karate.txt", "karate"),
        ("plain", "plain"),
        (f"{CAFE_IN_PARTS}.gph", CAFE),
    ],
)
def test_only_an_ending_that_names_a_format_is_dropped(file, name):
    assert name_without_ending(file) == name


def test_every_ending_that_a_family_knows_is_one():
    known = {ending for family in all_families().values() for ending in family.file_suffixes}
    assert known <= FORMAT_ENDINGS


def test_composed_and_decomposed_letters_are_one_name():
    assert CAFE != CAFE_IN_PARTS
    assert composed(CAFE_IN_PARTS) == composed(CAFE) == CAFE


def test_a_file_is_found_in_either_spelling_and_never_guessed(tmp_path):
    stored = tmp_path / f"{CAFE_IN_PARTS}.mc"
    stored.write_text("x")
    assert find_file(tmp_path / f"{CAFE}.mc") == stored
    assert find_file(tmp_path / "cafe.mc") == tmp_path / "cafe.mc"
    assert find_file(tmp_path / "absent" / f"{CAFE}.mc") == tmp_path / "absent" / f"{CAFE}.mc"
    both = unicodedata.normalize("NFD", "éé")
    (tmp_path / both).write_text("x")
    (tmp_path / f"é{both[:2]}").write_text("y")
    with pytest.raises(InvalidInput, match="fits two files"):
        find_file(tmp_path / "éé", field="problem.source")


def test_a_packed_file_is_called_after_what_is_in_it():
    assert name_without_ending("roads.mtx.gz") == "roads"
    assert name_without_ending("g05_60.0.GZ") == "g05_60.0"
