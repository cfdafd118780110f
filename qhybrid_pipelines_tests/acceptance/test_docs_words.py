"""The glossary explains words that are in use, and the private words that were given up do not come back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
WORDS = re.findall(r"^\| ([a-z][\w ,-]+) \|", GLOSSARY, re.MULTILINE)
#: Identifiers that stood for poll, submit, cancel, register, stage and the like. Ordinary meanings of the same words in a
#: sentence are not meant, so only names in code are searched.
GIVEN_UP = (
    *("Looking", "Looked", "look_at_all", "handed_over", "hand_over", "Handover", "Outlook", "LeftAlone", "Standing"),
    *(
        "Withdrawal",
        "withdraw",
        "purpose_of",
        "take_in",
        "Intake",
        "Leg",
        "due_legs",
        "KeptJobs",
        "as_kept",
        "kept_json",
    ),
    *(
        "disprove",
        "doubt",
        "Witness",
        "occurrence",
        "rung",
        "Ladder",
        "foreign",
        "sealed",
        "unseal",
        "Errands",
        "glance",
    ),
    *("Gateway", "Site", "Rounds", "steps_seen"),
)
#: Words that no function, class, argument, attribute or module may have as a part of its name.
NOT_IN_NAMES = frozenset(
    [
        "errand",
        "errands",
        "glance",
        "handover",
        "handovers",
        "ladder",
        "leg",
        "legs",
        "look",
        "looked",
        "looking",
        "looks",
        "rung",
        "rungs",
        "standing",
        "wish",
        "wishes",
        "withdraw",
        "withdrawal",
        "witness",
    ]
)
#: The legs of a route, and the look-up of an address: meant as the field means them.
MEANT_AS_USUAL = frozenset(
    {("problems/solvers/routing.py", "legs"), ("service/webhooks/guarded_connections.py", "look")}
)


def test_the_glossary_is_sorted_enough_to_be_found_and_has_one_line_per_word():
    assert len(WORDS) == len(set(WORDS)) > 30


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_glossary_is_used(word):
    texts = [path.read_text("utf-8") for path in ROOT.glob("docs/*.md") if path.name != "glossary.md"]
    texts += [path.read_text("utf-8") for path in ROOT.glob("qhybrid_pipelines/**/*.py")]
    for one in word.split(", "):
        spelling = re.compile(r"\b" + "[ _-]".join(re.split(r"[ -]", one)), re.IGNORECASE)
        assert any(spelling.search(text) for text in texts), one


@pytest.mark.parametrize("name", GIVEN_UP)
def test_a_private_word_does_not_come_back_as_a_name(name):
    found = [
        str(path.relative_to(ROOT))
        for path in ROOT.glob("qhybrid_pipelines/**/*.py")
        if re.search(rf"^\s*(?:async )?(?:def|class) {name}\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert found == []


def words_of_names(source):
    """Yield the words of each name that a module gives."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        yield from (word.lower() for word in re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", name) if word)


def test_private_words_are_not_parts_of_names():
    package = ROOT / "qhybrid_pipelines"
    found = set()
    for path in package.rglob("*.py"):
        place = path.relative_to(package).as_posix()
        words = {*words_of_names(path.read_text("utf-8")), *path.stem.split("_")}
        found |= {(place, word) for word in words & NOT_IN_NAMES}
    assert found - MEANT_AS_USUAL == set()
    assert found >= MEANT_AS_USUAL, "an exception that nothing needs any more"


def test_a_private_word_in_a_name_is_found():
    """Negative control of the search."""
    source = "class QuantumLegs:\n    def take(self, rung_time): self._look = standing = 1\n"
    assert set(words_of_names(source)) & NOT_IN_NAMES == {"legs", "rung", "look", "standing"}
