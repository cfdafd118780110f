"""The page itself: one HTML file with all that it needs, and the files of its figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.reports.blocks import Chapter, Section
from qhybrid_pipelines.reports.comparison_chapter import comparison_chapter
from qhybrid_pipelines.reports.content import ExperimentContent, LearningContent, OptimisationContent, SamplingContent
from qhybrid_pipelines.reports.figures.circuit import circuit
from qhybrid_pipelines.reports.figures.style import Drawing, to_file_bytes, to_inline_svg
from qhybrid_pipelines.reports.learning_chapter import learning_chapter
from qhybrid_pipelines.reports.optimisation_chapter import optimisation_chapter
from qhybrid_pipelines.reports.sampling_chapter import sampling_chapter

_ANCHOR = re.compile(r"[^A-Za-z0-9]+")
_CODE = re.compile(r"`([^`]*)`")


def chapters(contents: Sequence[ExperimentContent]) -> list[Chapter]:
    """Return what a report has to say, one chapter per experiment; of several, the comparison comes first."""
    kinds: dict[type[ExperimentContent], Callable[[Any], Chapter]] = {
        LearningContent: learning_chapter,
        OptimisationContent: optimisation_chapter,
        SamplingContent: sampling_chapter,
    }
    each = [
        chapter
        for content in contents
        for kind, make in kinds.items()
        if isinstance(content, kind)
        for chapter in [make(content)]
    ]
    return [comparison_chapter(contents), *each] if len(each) > 1 else each


def render_page(found: Sequence[Chapter], *, made_at: datetime | None = None) -> str:
    """Return the page as HTML. It loads nothing, runs no script, and no browser may let it.

    Args:
        found: the chapters in their order.
        made_at: the time that is at its end; the default is now.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup, escape

    environment = Environment(
        loader=PackageLoader("qhybrid_pipelines.reports"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )

    def inline_code(text: str) -> Any:
        # Escaped first: a name between backticks is text, whatever is in it.
        return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(text)))))  # noqa: S704

    def svg(drawing: Drawing, prefix: str) -> Any:
        return Markup(to_inline_svg(drawing, prefix))  # noqa: S704  Matplotlib escapes what it writes

    environment.filters |= {"inline_code": inline_code, "svg": svg, "anchor": anchor}
    style = files("qhybrid_pipelines.reports").joinpath("templates", "report.css").read_text("utf-8")
    return environment.get_template("report.html.j2").render(
        chapters=found,
        title=found[0].heading,
        style=Markup(style),  # noqa: S704  our own file
        made_at=f"{made_at or datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def figure_files(found: Sequence[Chapter], kinds: Sequence[str] = ("svg", "png")) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every figure, as SVG and as PNG unless told; names begin with their chapter where there are several."""
    for name, drawing in named_drawings(found):
        for kind in kinds:
            yield f"{name}.{kind}", to_file_bytes(drawing, kind)


def named_drawings(found: Sequence[Chapter]) -> Iterator[tuple[str, Drawing]]:
    """Yield every figure with its name, which begins with its chapter where there are several."""
    for chapter in found:
        for section in chapter.sections:
            for stem, drawing in _drawings(chapter, section):
                yield (f"{anchor(chapter.name)}-{stem}" if len(found) > 1 else stem), drawing


def _drawings(chapter: Chapter, section: Section) -> Iterator[tuple[str, Drawing]]:
    """Yield the figures of a section under names that differ."""
    names: dict[str, int] = {}
    for drawing in section.drawings:
        names[drawing.name] = names.get(drawing.name, 0) + 1
        number = names[drawing.name]
        yield (drawing.name if number == 1 else f"{drawing.name}-{number}"), drawing
    for code in section.codes:
        if code.name.startswith("circuit"):
            yield code.name, circuit(code.text, name=chapter.heading)


def anchor(text: str) -> str:
    """Return a text as part of an address within the page."""
    return _ANCHOR.sub("-", text).strip("-").lower() or "part"


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value
