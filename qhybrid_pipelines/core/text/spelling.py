"""The nearest known word to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def closest_match(given: object, words: Sequence[str]) -> str:
    """Return the sentence "Did you mean WORD?", empty where no word is near."""
    close = difflib.get_close_matches(str(given).lower()[:80], words, n=1)
    return f"Did you mean {close[0]}?" if close else ""


def remedy_for_unknown(given: object, words: Sequence[str], instruction: str) -> str:
    """Return the remedy for an unknown word: the nearest one if there is one, then all of them after ``instruction``."""
    sentences = (closest_match(given, words), f"{instruction}: {', '.join(words)}.")
    return " ".join(filter(None, sentences))
