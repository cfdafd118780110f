"""``qhybrid new``: a first page for an experiment, from a family or from a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from qhybrid_pipelines.commands.common import echo
from qhybrid_pipelines.core.errors import InvalidInput


def new(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FAMILY] [FILE]",
            help="A family of problems, qml, sampling, a problem file, or a family and a file.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PAGE", help="Write it there instead of printing it.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="Format of the file, where it could be several.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="A setting that the file does not hold; repeatable."),
    ] = None,
) -> None:
    """Write a commented specification: of a file that is recognised, or an example of a family, of learning or of sampling."""
    from qhybrid_pipelines.core.specifications.commented_defaults import (
        commented_learning_default,
        commented_sampling_default,
    )
    from qhybrid_pipelines.problems.new_page import page_of_family, page_of_file, recognise
    from qhybrid_pipelines.problems.registry import all_families

    files = [Path(word) for word in words or [] if Path(word).exists()]
    families = [word for word in words or [] if not Path(word).exists()]
    without_problem = {
        "qml": ("Learning: a trained circuit against classical models", commented_learning_default),
        "sampling": ("Circuits as they are, against what should come out of them", commented_sampling_default),
    }
    if len(files) > 1 or len(families) > 1:
        raise InvalidInput(
            "more than a family and a file are named",
            remedy="Name one of each: qhybrid new maxcut graph.mtx.",
            field="FILE",
        )
    if not files and not families:
        for family in all_families().values():
            echo(f"{family.name:16} {family.title}")
        for kind, (title, _) in without_problem.items():
            echo(f"{kind:16} {title}")
        echo("\nqhybrid new FAMILY prints an example, qhybrid new FAMILY FILE a page for your own file.", err=True)
        return
    if not files and families[0] in without_problem:
        text = without_problem[families[0]][1]() + "\n"
    elif files:
        found = recognise(
            files[0], family=families[0] if families else None, format_name=format_name, options=_options(options or [])
        )
        folder = (output.parent if output else Path()).absolute()
        text = page_of_file(found, os.path.relpath(files[0].absolute(), folder))
    else:
        text = page_of_family(families[0])
    if output is None:
        echo(text.rstrip())
        return
    _write_new(output, text)
    echo(f"{output} is written. Next: qhybrid estimate {output}", err=True)


def _options(given: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise InvalidInput(
                f"{one!r} is not an option with a value", remedy="Write --option sense=min.", field="--option"
            )
        import yaml

        options[name] = yaml.safe_load(value)
    return options


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InvalidInput(
            f"there is a file {path} already", remedy="Name another one; nothing is overwritten.", field="--output"
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror}", remedy="Check the folder.", field="--output"
        ) from None
