"""The glossary explains words that are in use, and the private words that were given up do not come back."""

from __future__ import annotations

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
