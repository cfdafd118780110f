"""Numbers and times as people read them; the same for every table, sentence and figure of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

#: Lines of a drawing that are shown; the rest of a dense circuit tells nobody anything.
MAX_LINES = 72
#: Letters of a label next to a figure; a longer one would leave no room for the figure.
MAX_LABEL = 32
#: Stands where there is no value.
NOTHING = "\N{EN DASH}"


def show(value: Any) -> str:
    """Return a value for a cell or a sentence: six significant digits, thousands separators, UTC to the second."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return NOTHING
    for kind, in_words in _BY_KIND:
        if isinstance(value, kind):
            return in_words(value)
    return str(value)


def show_usd(value: float | None) -> str:
    """Return an amount in US dollars; less than a cent is not rounded to nothing."""
    if value is None:
        return NOTHING
    return f"${value:,.2f}" if value == 0 or abs(value) >= 0.01 else f"${value:.2g}"


def show_seconds(value: float | None) -> str:
    """Return a duration in the unit that a person would choose."""
    if value is None:
        return NOTHING
    if value >= 5400:
        return f"{value / 3600:.3g} h"
    if value >= 120:
        return f"{value / 60:.3g} min"
    if value >= 1 or value == 0:
        return f"{value:.3g} s"
    return f"{value * 1000:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} \N{MICRO SIGN}s"


def show_percent(value: float | None) -> str:
    """Return a share in per cent, three significant digits."""
    return NOTHING if value is None else f"{100 * value:.3g} %"


def show_interval(low: float | None, high: float | None) -> str:
    """Return the bounds of an interval."""
    return NOTHING if low is None or high is None else f"{show(low)} to {show(high)}"


def with_interval(middle: str, low: str | None, high: str | None) -> str:
    """Return a value with the bounds of its interval behind it."""
    return middle if low is None or high is None else f"{middle} ({low} to {high})"


def listing(words: Sequence[str]) -> str:
    """Return words as a list within a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shorten(text: str, letters: int = MAX_LABEL) -> str:
    """Return a label of at most so many letters, line by line; a longer one loses its middle."""
    half = letters // 2
    lines = text.splitlines()
    return "\n".join(
        line if len(line) <= letters else f"{line[:half]}\N{HORIZONTAL ELLIPSIS}{line[-half:]}" for line in lines
    )


def first_lines(text: str, lines: int = MAX_LINES) -> str:
    """Return the beginning of a long text, with a line that says how much is missing."""
    all_lines = text.rstrip().splitlines()
    left_out = len(all_lines) - lines
    return "\n".join([*all_lines[:lines], *([f"... {count(left_out, 'more line')}"] if left_out > 0 else [])])


def count(number: int, word: str) -> str:
    """Return a number with its noun, in the plural where it takes one."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _show_float(value: float) -> str:
    if math.isinf(value):
        return "infinite"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.6g}" if abs(value) < 1e-3 or abs(value) >= 1e6 else _fixed(value)


def _fixed(value: float) -> str:
    digits = max(0, 5 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")


#: What is shown of each kind of value; a truth value is an integer, too, and comes first.
_BY_KIND: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (bool, lambda value: "yes" if value else "no"),
    (int, lambda value: f"{value:,}"),
    (float, _show_float),
    (datetime, lambda value: f"{value:%Y-%m-%d %H:%M:%S} UTC"),
    ((list, tuple), lambda values: ", ".join(map(show, values)) or NOTHING),
)
