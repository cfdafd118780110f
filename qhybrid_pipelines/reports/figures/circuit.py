"""A circuit as a picture of its text drawing, for export; the page shows the text itself."""

from __future__ import annotations

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.reports.figures.style import Drawing, with_report_style


@with_report_style
def circuit(drawing: str, *, name: str) -> Drawing:
    """Return a text drawing as a figure of its own size.

    Args:
        drawing: lines of one width.
        name: of the circuit, in words.
    """
    from matplotlib.figure import Figure

    drawing = printable(drawing)
    lines = drawing.splitlines()
    width, height = max(map(len, lines)), len(lines)
    # At 8 points a letter of this typeface is 0.067 inches wide, and a line 0.13 inches high.
    figure = Figure(figsize=(0.3 + 0.067 * width, 0.3 + 0.13 * height))
    figure.text(0.15 / figure.get_figwidth(), 0.5, drawing, va="center", fontsize=8, fontfamily="DejaVu Sans Mono")
    return Drawing(name="circuit", title=f"The circuit of {name}", caption="Drawn from the template.", figure=figure)
