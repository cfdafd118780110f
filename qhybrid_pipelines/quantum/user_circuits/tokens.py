"""The words of an OpenQASM text, each with its line: enough to judge a file before any parser sees it."""

from __future__ import annotations

import re
from typing import NamedTuple

from qhybrid_pipelines.core.errors import InvalidInput

#: Deepest nesting of brackets. A recursive parser ends its whole process at some tens of thousands.
MAX_DEPTH = 256
#: Several times as many as the largest circuit that is accepted has.
MAX_TOKENS = 250_000

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v]+)
      | (?P<newline>\n)
      | (?P<note>//[ \t]*qhybrid:[^\n]*)
      | (?P<comment>//[^\n]*)
      | (?P<block>/\*)
      | (?P<number>(?:[0-9][0-9_]*)?\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?|[0-9][0-9_]*\.?(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*|\$[0-9]+)
      | (?P<text>"[^"\n]*"|'[^'\n]*')
      | (?P<symbol>->|\*\*|[-+*/%^=@:;,(){}\[\]])""",
    re.VERBOSE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


class Token(NamedTuple):
    """A word, number, quoted text, symbol or note; ``kind`` is the name of the group above, ``line`` is 1-based.

    A note is a comment that begins with ``qhybrid:``; it names the variables of the qubits. The qubits of a device,
    ``$0`` and so on, are words.
    """

    kind: str
    text: str
    line: int


def split_tokens(text: str) -> list[Token]:
    """Return the tokens of a text without white space and other comments than notes, in time linear in its length.

    Raises:
        InvalidInput: a character that OpenQASM's circuits have no use for, or brackets that do not match or are nested
            too deeply. Names the line.
    """
    found: list[Token] = []
    opened: list[Token] = []
    line, position = 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unknown_character_error(text[position], line)
        kind, position = str(match.lastgroup), match.end()
        if kind == "newline":
            line += 1
        elif kind == "block":
            end = text.find("*/", position)
            if end < 0:
                raise InvalidInput("a comment is never closed", remedy="Close it with */.", line=line)
            line += text.count("\n", position, end)
            position = end + 2
        elif kind not in ("space", "comment"):
            token = Token(kind, match.group(), line)
            found.append(token)
            if len(found) > MAX_TOKENS:
                raise InvalidInput(
                    f"the text has more than {MAX_TOKENS} words and symbols", remedy="Use fewer gates.", line=line
                )
            if kind == "symbol":
                _track_nesting(token, opened)
    if opened:
        raise InvalidInput(f"{opened[-1].text!r} is never closed", remedy="Add what closes it.", line=opened[-1].line)
    return found


def join_tokens(tokens: list[Token]) -> str:
    """Return a text of the same tokens in the same lines, comments left out.

    Parsers get this text and not the file's own: what they see is then exactly what was judged.
    """
    pieces, line = [], 1
    for token in tokens:
        pieces.append("\n" * (token.line - line) + token.text)
        line = token.line
    return " ".join(pieces) + "\n"


class Cursor:
    """Takes tokens one by one off the front of a text."""

    def __init__(self, tokens: list[Token]) -> None:
        self.left = tokens[::-1]
        self.line = tokens[-1].line if tokens else 1

    def peek(self) -> str:
        """Return the next token's text without taking it; empty at the end."""
        return self.left[-1].text if self.left else ""

    def take(self) -> Token:
        """Return the next token."""
        if not self.left:
            raise InvalidInput("the text ends in the middle of a statement", remedy="Complete it.", line=self.line)
        return self.left.pop()

    def expect(self, *texts: str) -> Token:
        """Return the next token, which must be one of these."""
        token = self.take()
        if token.text not in texts:
            raise unexpected_token_error(token, expected=" or ".join(repr(text) for text in texts))
        return token

    def name(self) -> Token:
        """Return the next token, which must be a word."""
        token = self.take()
        if token.kind != "word":
            raise unexpected_token_error(token, expected="a name")
        return token


def unexpected_token_error(token: Token, *, expected: str) -> InvalidInput:
    """Return the error for a token where something else is required."""
    return InvalidInput(
        f"{token.text[:40]!r} is where {expected} should be",
        remedy="Write gates, `barrier`, `input float` and measurements at the end.",
        line=token.line,
    )


def _unknown_character_error(character: str, line: int) -> InvalidInput:
    return InvalidInput(
        f"the character {character!r} has no place here",
        remedy="Write gates, registers, inputs and measurements in plain OpenQASM 2 or 3.",
        line=line,
    )


def _track_nesting(token: Token, opened: list[Token]) -> None:
    """Keep the list of brackets that are open."""
    if token.text in "([{":
        opened.append(token)
        if len(opened) > MAX_DEPTH:
            raise InvalidInput(
                f"brackets are nested more than {MAX_DEPTH} deep", remedy="Write the expression out.", line=token.line
            )
    elif token.text in _CLOSES and (not opened or opened.pop().text != _CLOSES[token.text]):
        raise InvalidInput(f"{token.text!r} closes nothing", remedy="Remove it, or add its partner.", line=token.line)
