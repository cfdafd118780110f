"""A small picture of measured counts."""

from __future__ import annotations

import io
from collections.abc import Sequence

#: More bars than this cannot be told apart; what is rarer is summed up in the last one.
MAX_BARS = 24


def counts_png(counts: Sequence[tuple[str, int]], *, title: str) -> bytes:
    """Return a bar chart of outcomes as a PNG of some 20 kB, the most frequent first.

    Args:
        counts: outcome as text, bit 0 rightmost, and how often it was measured; an outcome may appear once.
        title: what was measured.
    """
    from matplotlib.figure import Figure

    ranked = sorted(counts, key=lambda row: (-row[1], row[0]))
    bars = list(ranked[:MAX_BARS])
    if len(ranked) > MAX_BARS:
        bars.append((f"{len(ranked) - MAX_BARS} others", sum(count for _, count in ranked[MAX_BARS:])))
    figure = Figure(figsize=(7.0, 3.2), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(bars)), [count for _, count in bars], color="#4c72b0")
    axes.set_xticks(range(len(bars)), [outcome for outcome, _ in bars], rotation=90, fontsize=7, family="monospace")
    axes.set_ylabel("shots")
    axes.set_title(title, fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
