"""Values on a command line: plain ones are what typer makes of them, wrong ones are told in words without a library's prefix."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer

from qhybrid_pipelines.commands.plain_values import use_plain_values


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


def command_line(seen):
    app = typer.Typer()

    @app.command()
    def paint(  # noqa: PLR0917  the form of a command
        name: str,
        more: Annotated[list[str] | None, typer.Option()] = None,
        colour: Colour = Colour.RED,
        coats: Annotated[int, typer.Option(min=1)] = 2,
        share: float = 0.5,
        place: Path | None = None,
        wet: Annotated[bool, typer.Option("--wet")] = False,  # noqa: FBT002  as above
        by: Annotated[str, typer.Option(parser=str.upper)] = "nobody",
    ) -> None:
        seen.append((name, more, colour, coats, share, place, wet, by))

    return typer.main.get_command(app)


WORDS = [
    ["wall"],
    ["wall", "--more", "a", "--more", "b"],
    ["wall", "--colour", "blue"],
    ["wall", "--coats", "3", "--share", "0.25"],
    ["wall", "--place", "here", "--wet"],
    ["wall", "--by", "me"],
    [""],
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_values_are_those_of_typer(words):
    seen: list[tuple] = []
    command_line(seen)(words, standalone_mode=False)
    plain = command_line(seen)
    use_plain_values(plain)
    plain(words, standalone_mode=False)
    assert seen[0] == seen[1]
    assert list(map(type, seen[0])) == list(map(type, seen[1]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wall", "--coats", "0"], "greater than or equal to 1"),
        (["wall", "--coats", "many"], "integer"),
        (["wall", "--colour", "green"], "'green' is not one of 'red', 'blue'."),
        (["wall", "--colour", "RED"], "'RED' is not one of 'red', 'blue'."),
        ([], "Missing argument"),
    ],
)
def test_wrong_values_are_refused(words, said):
    plain = command_line([])
    use_plain_values(plain)
    with pytest.raises(typer.BadParameter) as refused:
        plain(words, standalone_mode=False)
    message = refused.value.format_message()
    assert said in message
    assert "Value error" not in message
