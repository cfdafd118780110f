"""Market split files of QOBLIB, class 01 (``.dat``): ``m n``, then ``m`` rows of ``n`` coefficients and a target.

All numbers are integers, none below 0; lines that start with ``#`` are comments.
Source: T. Koch et al., "Quantum Optimization Benchmark Library", arXiv:2504.03832, class 01.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.problems.formats.lines import check_count, size_field, split_rows

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Equations:
    """``coefficients @ x = targets`` over 0 and 1.

    Attributes:
        coefficients: shape ``(m, n)``, integers from 0.
        targets: shape ``(m,)``, integers from 0.
    """

    coefficients: I64
    targets: I64


def read(text: str, *, file: str) -> Equations:
    """Return the equations of a file.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) != 2:
        raise header.invalid(
            f"the header has {len(header.fields)} fields", "Start the file with the numbers of rows and of variables."
        )
    constraints = size_field(header, 0, "the number of rows")
    variables = size_field(header, 1, "the number of variables")
    numbers: list[list[int]] = []
    for row in lines:
        if len(row.fields) != variables + 1:
            raise row.invalid(
                f"the row has {len(row.fields)} numbers instead of {variables + 1}",
                "Write one coefficient for each variable, then the target; the file may be half-written.",
            )
        values = [row.integer(column, "the number") for column in range(variables + 1)]
        if min(values) < 0:
            raise row.invalid(f"the row holds {min(values)}", "Coefficients and targets are not negative.")
        numbers.append(values)
    check_count(header, constraints, lines, "rows")
    matrix = np.array(numbers, dtype=np.int64)
    return Equations(coefficients=matrix[:, :-1], targets=matrix[:, -1])
