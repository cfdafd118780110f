r"""Text that others wrote, made safe to show: whatever steers a terminal or turns the order of letters is spelt out.

File names, names in data and vendors' messages may hold escape sequences (which colour, move, rename or clear what a
terminal shows), bidirectional controls (which show letters in another order than they are in) and lone surrogates
(which no stream can write). Each such character is shown as Python spells it, for example ``\x1b``.
"""

from __future__ import annotations

import unicodedata

#: Zero-width joiners belong to the spelling of Persian, Hindi and other languages, and steer nothing.
_ALLOWED_JOINERS = frozenset("\u200c\u200d")
#: Controls, formats (the bidirectional ones among them), separators of lines and paragraphs, surrogates.
_STEERING_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def printable(text: str, *, keep: str = "\n\t") -> str:
    """Return ``text`` with every steering character spelt out.

    Args:
        text: from anybody.
        keep: steering characters that stay as they are; none of them where the text has to stay one line.
    """
    if text.isprintable():
        return text
    return "".join(
        _spell(character) if _is_steering(character) and character not in keep else character for character in text
    )


def one_line(text: str) -> str:
    """Return ``text`` as one line: runs of white space become a space, and every steering character is spelt out."""
    return printable(" ".join(text.split()), keep="")


def _is_steering(character: str) -> bool:
    return unicodedata.category(character) in _STEERING_CATEGORIES and character not in _ALLOWED_JOINERS


def _spell(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
