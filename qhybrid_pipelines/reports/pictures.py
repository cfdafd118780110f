"""The figures of a report as objects that a notebook shows by itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.core.text.spelling import closest_match
from qhybrid_pipelines.reports.blocks import Chapter
from qhybrid_pipelines.reports.figures.style import Drawing, to_file_bytes
from qhybrid_pipelines.reports.page import named_drawings


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure; Jupyter shows it.

    Attributes:
        drawing: figure, title and caption.
    """

    drawing: Drawing

    @property
    def title(self) -> str:
        """A few words."""
        return self.drawing.title

    @property
    def caption(self) -> str:
        """What is seen, and what the marks mean."""
        return self.drawing.caption

    @property
    def svg(self) -> str:
        """The figure as SVG."""
        return to_file_bytes(self.drawing, "svg").decode()

    @property
    def png(self) -> bytes:
        """The figure as PNG."""
        return to_file_bytes(self.drawing, "png")

    def save(self, path: str | Path) -> Path:
        """Write it to a file whose name ends with ``.svg`` or ``.png``, and return its path.

        Raises:
            InvalidInput: the name has another ending.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in ("svg", "png"):
            raise InvalidInput(
                f"'{path}' is not the name of a picture",
                remedy="Give a name that ends with .svg or .png.",
                field="path",
            )
        write_bytes(path, to_file_bytes(self.drawing, kind))
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Picture({self.title!r})"


class Pictures(Mapping[str, Picture]):
    """The figures of an experiment by name, in the order of its report; Jupyter shows all of them."""

    def __init__(self, chapters: Sequence[Chapter]) -> None:
        self._pictures = {name: Picture(drawing) for name, drawing in named_drawings(chapters)}

    def __getitem__(self, name: str) -> Picture:
        if name not in self._pictures:
            hint = closest_match(name, list(self._pictures))
            raise KeyError(f"there is no figure {name!r}. {hint}".rstrip())
        return self._pictures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"Pictures({', '.join(self)})"

    def _repr_html_(self) -> str:
        # As images of their own: ids within two drawings would meet in one page.
        return "".join(
            f'<figure><img style="max-width: 100%" alt="{html.escape(picture.caption)}" '
            f'src="data:image/svg+xml;base64,{base64.b64encode(picture.svg.encode()).decode()}">'
            f"<figcaption><b>{html.escape(picture.title)}</b> ({html.escape(name)}). {html.escape(picture.caption)}</figcaption></figure>"
            for name, picture in self.items()
        )
