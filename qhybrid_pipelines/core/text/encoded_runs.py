"""Runs of letters that may be encoded text, and what they say once they are decoded: Base64, base32, hexadecimal.

A pattern finds a secret that was encoded once. One that was encoded twice, or cut before it was encoded, has too many
spellings for patterns; there, everything is decoded that can be. Only printable text counts: words, identifiers, numbers
and packed data decode to bytes of every kind, which nobody has to search.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote

#: Letters of every encoding, and what escapes or folds them in a URL or in JSON.
_LETTERS = r"[A-Za-z0-9+/_%\\-]"
#: A line of that length may go on in the next one. Eight characters are eleven in Base64, the shortest of the three.
RUN = re.compile(rf"{_LETTERS}{{11,}}(?:(?<={_LETTERS}{{40}})\r?\n[ \t]*{_LETTERS}+)*")
_PLAIN = re.compile(r"[A-Za-z0-9+/_-]{11,}")
_FOLDS = re.compile(r"\\+[nr]|\\+(?=/)|\s+")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{16,}")
_HEXADECIMAL_TEXT = re.compile(r"(?:[2-7][0-9A-Fa-f]){8}")
_BASE32 = re.compile(r"[A-Z2-7]{13,}|[a-z2-7]{13,}")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{8,}")
_FOR_URLS = str.maketrans("-_", "+/")
#: From the digits of base32 to those of `int`.
_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


def decoded_texts(run: str) -> Iterator[str]:
    """Yield every printable text of eight characters or more that a run of letters may encode, wherever it begins in it.

    Args:
        run: what `RUN` has matched.
    """
    if "%" in run or "\\" in run or "\n" in run:
        for part in _PLAIN.findall(_FOLDS.sub("", unquote(unquote(unquote(run))))):
            yield from _decoded_texts(part)
    else:
        yield from _decoded_texts(run)


def _decoded_texts(run: str) -> Iterator[str]:
    # Digits alone are not text in Base64 and base32: every third byte of it would be above 127.
    if not run.isdecimal():
        for data in _decode(run):
            yield from _texts(data)
    if _HEXADECIMAL_TEXT.search(run):
        for found in _HEXADECIMAL.finditer(run):
            for start in range(2):
                digits = found[0][start:]
                yield from _texts(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _decode(run: str) -> Iterator[bytes]:
    """Yield what a run means in Base64 and, where it has the letters for it, in base32, read from each place on."""
    letters = run.translate(_FOR_URLS)
    for start in range(4):
        part = letters[start:]
        # One letter that is left over is not a byte.
        yield binascii.a2b_base64((part[:-1] if len(part) % 4 == 1 else part) + "===")
    for found in _BASE32.finditer(run):
        value = int(found[0].upper().translate(_DIGITS), 32)
        for start in range(8):  # a byte may begin at any bit
            yield (value >> start).to_bytes(len(found[0]) * 5 // 8 + 1)


def _texts(data: bytes) -> Iterator[str]:
    return (found[0].decode("ascii") for found in _TEXT.finditer(data))
