"""Tables of assets with a header, separated by commas: returns or prices per period, or means and covariances.

Returns and prices have one row a period and one column an asset; a first column that is named ``date``, ``time``, ``period`` or
not at all, or that holds no numbers, names the periods. Prices become simple returns, ``p_t / p_(t-1) - 1``, in the order of the
rows. Means and sample covariances (divided by one less than the number of periods) are those that pandas gives.

Moments have the header ``asset,mean,NAME,NAME,...`` and one row an asset: its name, its mean and its row of the covariance.
"""

from __future__ import annotations

import csv

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES, Row, is_plain_number
from qhybrid_pipelines.problems.formats.orlib_port import Assets

#: Headings of a column that names periods, whatever is in it.
_PERIOD_HEADINGS = {"", "date", "datetime", "time", "timestamp", "period", "index"}
#: How far below 0 an eigenvalue of a covariance may lie for rounding, relative to the largest.
_EIGENVALUE_ROUNDING = 1e-9


def read_returns(text: str, *, file: str) -> tuple[tuple[str, ...], Assets]:
    """Return the assets' names, and the moments of their returns.

    Raises:
        InvalidInput: names the line and the remedy: fewer than two periods, a gap, two assets of one name.
    """
    names, returns, rows = _periods(text, file, least=2)
    return names, _moments(returns, rows[-1])


def read_prices(text: str, *, file: str) -> tuple[tuple[str, ...], Assets]:
    """Return the assets' names, and the moments of the simple returns between rows.

    Raises:
        InvalidInput: as :func:`read_returns`; or a price is not above 0.
    """
    names, prices, rows = _periods(text, file, least=3)
    wrong = np.argwhere(prices <= 0)
    if len(wrong):
        period, asset = wrong[0]
        raise rows[period].invalid(
            f"the price of {names[asset]} is {prices[period, asset]:g}",
            "Every price is above 0; leave out what has none.",
        )
    return names, _moments(prices[1:] / prices[:-1] - 1, rows[-1])


def read_moments(text: str, *, file: str) -> tuple[tuple[str, ...], Assets]:
    """Return the assets' names, means and covariance.

    Raises:
        InvalidInput: names the line and the remedy; or no returns can have this covariance.
    """
    header, *rows = _rows(text, file)
    if [field.lower() for field in header.fields[:2]] != ["asset", "mean"]:
        raise header.invalid("the header is not `asset,mean,NAME,...`", "Name the assets after these two words.")
    names = _names(header, header.fields[2:])
    if len(rows) != len(names):
        raise (rows[-1] if rows else header).invalid(
            f"the file has {len(rows)} rows and its header {len(names)} assets",
            "Write one row an asset, in the same order.",
        )
    for name, row in zip(names, rows, strict=True):
        _check_width(row, header)
        if row.fields[0] != name:
            raise row.invalid(f"the row is named {row.fields[0]!r} and its column {name!r}", "Keep one order.")
    means = np.array([row.number(1, "the mean return") for row in rows])
    covariance = np.array([[row.number(2 + column, "the covariance") for column in range(len(names))] for row in rows])
    if not np.array_equal(covariance, covariance.T):
        i, j = np.argwhere(covariance != covariance.T)[0]
        raise rows[i].invalid(
            f"the covariance of {names[i]} and {names[j]} differs between their two rows", "Write a symmetric matrix."
        )
    lowest, highest = np.linalg.eigvalsh(covariance)[[0, -1]]
    if lowest < -_EIGENVALUE_ROUNDING * max(float(highest), 0.0) or highest < 0:
        raise InvalidInput(
            f"the covariance is not positive semidefinite: its lowest eigenvalue is {lowest:.3g}",
            remedy="No returns can have it; estimate it from one common set of periods.",
            file=file,
        )
    return names, Assets(means=means, covariance=covariance)


def _periods(text: str, file: str, *, least: int) -> tuple[tuple[str, ...], F64, list[Row]]:
    """Return the names, the numbers ``(periods, assets)``, and the rows they come from."""
    header, *rows = _rows(text, file)
    labelled = header.fields[0].lower() in _PERIOD_HEADINGS or not any(is_plain_number(row.fields[0]) for row in rows)
    first = int(labelled)
    names = _names(header, header.fields[first:])
    if len(rows) < least:
        raise (rows[-1] if rows else header).invalid(
            f"the file has {len(rows)} periods",
            f"A covariance needs at least {least} rows here, and far more to mean anything.",
        )
    for row in rows:
        _check_width(row, header)
    return (
        names,
        np.array([[row.number(first + k, f"the number of {name}") for k, name in enumerate(names)] for row in rows]),
        rows,
    )


def _moments(returns: F64, last: Row) -> Assets:
    means = returns.mean(axis=0)
    centred = returns - means
    # Asset by asset: a matrix product may round differently on another machine and so change the content hash.
    covariance = np.array([(column[:, None] * centred).sum(axis=0) for column in centred.T]) / (len(returns) - 1)
    if not np.isfinite(covariance).all():
        raise last.invalid("the covariance overflows", "Give returns as fractions, 0.01 for one per cent.")
    return Assets(means=means, covariance=(covariance + covariance.T) / 2)


def _names(header: Row, fields: tuple[str, ...]) -> tuple[str, ...]:
    if not fields or not all(fields) or len(set(fields)) != len(fields) or len(fields) > MAX_VARIABLES:
        raise header.invalid("the header does not name every asset once", "Write one distinct name a column.")
    if all(map(is_plain_number, fields)):
        raise header.invalid("the header holds numbers", "Start the file with a line of names.")
    return fields


def _check_width(row: Row, header: Row) -> None:
    if len(row.fields) != len(header.fields):
        raise row.invalid(
            f"the line has {len(row.fields)} fields, the header has {len(header.fields)}",
            "Fill the gaps, or leave the row out.",
        )


def _rows(text: str, file: str) -> list[Row]:
    reader = csv.reader(text.split("\n"), strict=True, skipinitialspace=True)
    try:
        return [
            Row(file, reader.line_num, tuple(field.strip() for field in fields)) for fields in reader if any(fields)
        ]
    except csv.Error as error:
        raise InvalidInput(
            f"this is not CSV: {error}", remedy="Check the quotes at this line.", file=file, line=reader.line_num
        ) from None
