"""The words of a text: each with its kind and line, joined again into the same lines, and bounded in number and depth."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits import tokens
from qhybrid_pipelines.quantum.user_circuits.tokens import Cursor, Token, join_tokens, split_tokens

KINDS = [
    ("q", "word"),
    ("_q1", "word"),
    ("Θ", "word"),
    ("$0", "word"),
    ("$17", "word"),
    ("3", "number"),
    ("1_000", "number"),
    ("1.", "number"),
    (".5", "number"),
    ("1_0.2_5e-3", "number"),
    ("2E+7", "number"),
    ('"a b"', "text"),
    ("'a b'", "text"),
    *((symbol, "symbol") for symbol in ("->", "**", *"-+*/%^=@:;,")),
    ("// qhybrid: q is a b", "note"),
    ("//\tqhybrid:x", "note"),
]


@pytest.mark.parametrize(("word", "kind"), KINDS)
@pytest.mark.parametrize("around", ["", " ", "\t\r\f\v"])
def test_a_word_has_its_kind_whatever_white_space_is_around_it(word, kind, around):
    assert split_tokens(f"\n{around}{word}{'' if kind == 'note' else around}\n") == [Token(kind, word, 2)]


def test_comments_are_no_words_and_their_lines_count():
    text = "a // b qhybrid: c\n/* d\n e */ f /**/ g /* h */\n//qhybrid: i\n/* j */k"
    assert [(token.text, token.line) for token in split_tokens(text)] == [
        ("a", 1),
        ("f", 3),
        ("g", 3),
        ("//qhybrid: i", 4),
        ("k", 5),
    ]


def test_joined_words_stand_in_their_lines_with_a_blank_between():
    assert join_tokens(split_tokens("/* */ rx(1)\n\n  q; // away\nx\tq;")) == "rx ( 1 ) \n\nq ; \nx q ;\n"
    assert join_tokens([]) == "\n"


def nested(depth: int) -> str:
    return "([{"[depth % 3] + (nested(depth - 1) if depth > 1 else "") + ")]}"[depth % 3]


def test_brackets_of_all_kinds_may_be_as_deep_as_is_said():
    assert len(split_tokens(nested(256))) == 512
    assert len(split_tokens("()" * 300)) == 600
    with pytest.raises(
        InvalidInput, match=r"brackets are nested more than 256 deep.*Write the expression out"
    ) as caught:
        split_tokens("\n" + nested(257))
    assert caught.value.line == 2


def test_as_many_words_are_read_as_is_said(monkeypatch):
    monkeypatch.setattr(tokens, "MAX_TOKENS", 5)
    assert len(split_tokens("a b c d e")) == 5
    with pytest.raises(InvalidInput, match=r"the text has more than 5 words and symbols.*Use fewer gates") as caught:
        split_tokens("a b c d\n\ne f")
    assert caught.value.line == 3


def test_a_cursor_takes_words_from_the_front_and_knows_where_the_text_ends():
    cursor = Cursor(split_tokens("a\nb 3"))
    assert (cursor.peek(), cursor.take().text, cursor.peek()) == ("a", "a", "b")
    assert cursor.expect("a", "b").line == 2
    assert cursor.take().kind == "number"
    assert cursor.peek() == ""
    for take in (cursor.take, cursor.name, lambda: cursor.expect(";")):
        with pytest.raises(InvalidInput, match="in the middle of a statement") as caught:
            take()
        assert caught.value.line == 2
    assert Cursor([]).line == 1
