"""What a page that stands for too many experiments would have cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.specifications.named_files import with_absolute_paths
from qhybrid_pipelines.core.specifications.variations import TooManyCombinations
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.steps.on_demand.estimate_preview import Preview


def price_combinations(
    error: InvalidInput, page: Path, estimate: Callable[[Sequence[Path]], Preview], *, tmp: Path
) -> InvalidInput:
    """Return the refusal of a page of too many combinations with their price; any other error as it is.

    The first and the last combination are priced, and all of them taken to cost as much as these on average. Where they
    cannot be priced, the refusal says the number alone.

    Args:
        error: why a page was refused.
        page: that page.
        estimate: prices the experiments of some pages.
        tmp: folder for pages that are written aside, and removed.
    """
    if not isinstance(error, TooManyCombinations):
        return error
    try:
        first, last = (_price_usd(fields, page, estimate, tmp) for fields in (error.first, error.last))
    except (QHybridError, OSError):
        return error
    if first is None or last is None:
        return error
    return InvalidInput(
        f"{error.problem}; the first is quoted at up to ${first:,.2f} and the last at ${last:,.2f}, all together at about "
        f"${(first + last) / 2 * error.count:,.2f}",
        remedy=error.remedy,
        file=error.file,
        line=error.line,
        field=error.field,
    )


def _price_usd(
    fields: dict[str, object], page: Path, estimate: Callable[[Sequence[Path]], Preview], tmp: Path
) -> float | None:
    """Return the highest quote of one combination, whatever its budget; None where nobody can tell the price."""
    with files.scratch_folder(tmp, or_temporary=True) as folder:
        written = folder / "combination.json"
        written.write_text(json.dumps(with_absolute_paths(fields, page.parent)))
        preview = estimate([written])
    prices = [row["high_usd"] for row in preview.rows]
    return None if None in prices else sum(prices)
