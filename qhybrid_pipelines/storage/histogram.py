"""A small picture of measured counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

#: More bars than this cannot be told apart; what is rarer is summed up in the last one.
MAX_BARS = 24

_WIDTH, _HEIGHT = 640, 300
_LEFT, _TOP, _BOTTOM = 60, 30, 200
_COLOUR = "#4c72b0"


def counts_svg(counts: Sequence[tuple[str, int]], *, title: str) -> str:
    """Return a bar chart of outcomes as SVG of some kB, the most frequent first.

    Written out by hand: a plotting library would take longer over it than the pipeline over everything else it records.

    Args:
        counts: outcome as text, bit 0 rightmost, and how often it was measured; an outcome may appear once.
        title: what was measured.
    """
    ranked = sorted(counts, key=lambda row: (-row[1], row[0]))
    bars = list(ranked[:MAX_BARS])
    if len(ranked) > MAX_BARS:
        bars.append((f"{len(ranked) - MAX_BARS} others", sum(count for _, count in ranked[MAX_BARS:])))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="monospace" font-size="9">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            f'<text x="{_WIDTH / 2}" y="18" text-anchor="middle" font-size="12">{escape(title)}</text>',
            *_axis(max((count for _, count in bars), default=0)),
            *_bars(bars),
            "</svg>\n",
        ]
    )


def _axis(highest: int) -> Iterator[str]:
    """Yield the vertical axis in shots, from 0 to the highest count."""
    yield f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_WIDTH - 10}" fill="none" stroke="black"/>'
    for share in (0.0, 0.5, 1.0):
        height = _BOTTOM - share * (_BOTTOM - _TOP)
        yield f'<path d="M{_LEFT - 4} {height:.1f}h4" stroke="black"/>'
        yield f'<text x="{_LEFT - 7}" y="{height + 3:.1f}" text-anchor="end">{highest * share:g}</text>'
    yield f'<text transform="translate(12 {(_TOP + _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">shots</text>'


def _bars(bars: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield a bar for each outcome, with its name below, its count on hovering."""
    highest = max((count for _, count in bars), default=1)
    step = (_WIDTH - 10 - _LEFT) / max(1, len(bars))
    for place, (outcome, count) in enumerate(bars):
        left, height = _LEFT + step * (place + 0.1), count / highest * (_BOTTOM - _TOP)
        yield (
            f'<rect x="{left:.1f}" y="{_BOTTOM - height:.1f}" width="{0.8 * step:.1f}" height="{height:.1f}" '
            f'fill="{_COLOUR}"><title>{escape(outcome)}: {count}</title></rect>'
        )
        yield (
            f'<text transform="translate({left + 0.4 * step + 3:.1f} {_BOTTOM + 6}) rotate(-90)" text-anchor="end">'
            f"{escape(outcome)}</text>"
        )
