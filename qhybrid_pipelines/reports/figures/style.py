"""The look of every figure, and its two ways out: into the page, where style sheets colour it, and into files.

Colours have roles. In the page each becomes a variable of the style sheet, so that one drawing suits light and dark; in
files they are what is written here. Blue and vermilion are told apart by every kind of colour vision.
Source of the palette: M. Okabe and K. Ito, Color Universal Design (2008), darkened for text on white.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

INK, MUTED, FAINT = "#1b1b1f", "#5c5c66", "#dadae1"
QUANTUM, CLASSICAL, RANDOM, OPTIMUM = "#c2410c", "#1d5fa6", "#7b7b86", "#117a4f"
#: For several backends or circuits in one figure, in this order.
SERIES = (QUANTUM, "#7c3aad", "#0f7d86", "#a16a00", "#b8336a", "#4f6f19")
MARKERS = ("o", "s", "^", "D", "v", "P")
#: Where the time of a job goes: ours in blues, the provider's in warm colours.
STRETCHES = {
    "orchestrate": "#1d5fa7",
    "compile": "#5b8fc7",
    "queue": "#d9a441",
    "execute": "#c2410d",
    "fetch": "#7f9db9",
    "interpret": "#a9bccf",
}
#: Variable of the page's style sheet for each colour.
CSS_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    QUANTUM: "quantum",
    CLASSICAL: "classical",
    RANDOM: "random",
    OPTIMUM: "optimum",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES[1:], start=2)},
    **{colour: f"time-{name}" for name, colour in STRETCHES.items()},
}
#: Inches; at this width the text of a figure can be read on a phone without zooming.
WIDTH = 4.7
PNG_DPI = 200
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.parse_math": False,  # names that others gave may hold a dollar sign
    "svg.hashsalt": "qhybrid",
    "axes.axisbelow": True,
}
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure with its words.

    Attributes:
        name: of the files it may be exported to, without an ending.
        title: a few words.
        caption: what is seen, and what the marks mean; read aloud in place of the picture.
        figure: Matplotlib's figure.
        wide: it takes the whole width of a page.
    """

    name: str
    title: str
    caption: str
    figure: Any
    wide: bool = False


def with_report_style(draw: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Make a function draw with the settings of this module, whatever a user's own Matplotlib is set to."""

    @wraps(draw)
    def styled(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with _report_style():
            drawing = draw(*args, **kwargs)
            if isinstance(drawing, Drawing):
                # Laid out once and for all: every further pass would move things by fractions of a point.
                drawing.figure.draw_without_rendering()
                drawing.figure.set_layout_engine("none")
            return drawing

    return styled


def new_axes(height: float, *, rows: int = 1) -> tuple[Any, Any]:
    """Return a figure and its axes: one, or an array of ``rows`` that share their horizontal axis.

    Args:
        height: of the figure, inches.
        rows: panels above each other.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=rows > 1)


def legend_below(figure: Any, axes: Any, *, columns: int = 2) -> None:
    """Put the legend under the figure, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=1.6, columnspacing=1.4)


def to_file_bytes(drawing: Drawing, kind: str) -> bytes:
    """Return a drawing as a file of kind ``svg`` or ``png``, on white; the same drawing gives the same bytes."""
    picture = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with _report_style():
        drawing.figure.savefig(picture, format=kind, dpi=PNG_DPI, facecolor="white", metadata=metadata)
    return picture.getvalue()


def to_inline_svg(drawing: Drawing, prefix: str) -> str:
    """Return a drawing as an ``svg`` element for a page.

    Text stays text, so that it can be searched and copied; colours become variables of the style sheet; every id begins
    with ``prefix``, because ids of two drawings would meet in one page.
    """
    picture = io.StringIO()
    with _report_style(**{"svg.fonttype": "none"}):
        drawing.figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    text = picture.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    opening, _, rest = text.partition(">")
    view_box = re.search(r'viewBox="[^"]*"', opening)
    label = html.escape(f"{drawing.title}. {drawing.caption}", quote=True)
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', rest)
    rest = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", rest)
    rest = re.sub(r"font: ((?:[\w.]+ )*?[\d.]+px) [^;\"]+", r"font: \1 var(--figure-font)", rest)
    for colour, variable in CSS_VARIABLES.items():
        rest = rest.replace(colour, f"var(--{variable})")
    return f'<svg {view_box[0] if view_box else ""} role="img" aria-label="{label}">{rest}'


@contextmanager
def _report_style(**more: Any) -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A letter that the typeface lacks is a box in a picture, and is right in the page's own tables.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        mpl.rcdefaults()
        settings: dict[Any, Any] = {**_STYLE, **more}
        mpl.rcParams.update(settings)
        yield
