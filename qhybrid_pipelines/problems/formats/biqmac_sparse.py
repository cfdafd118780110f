"""BiqMac ``.sparse`` matrices: ``n m``, then ``i j value`` for each entry of one triangle, counted from 1.

The file lists one triangle of a SYMMETRIC matrix ``Q`` of ``min x'Qx``: an off-diagonal entry counts twice.
Only then do the published optima come out; a file that means an upper triangular matrix is declared with
``offdiag_doubled: false``.
Source: A. Wiegele, "Biq Mac Library" (2007); the instances are those of Beasley and of Glover et al.
"""

from __future__ import annotations

from qhybrid_pipelines.problems.formats.lines import check_count, size_field, split_rows
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form


def read(text: str, *, file: str, offdiag_doubled: bool = True, duplicates: Duplicates = "refuse") -> QuadraticForm:
    """Return ``x'Qx`` as a form over 0 and 1; variables are named ``1 .. n``.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) != 2:
        raise header.invalid("the header is not `variables entries`", "Start the file with exactly these two numbers.")
    size = size_field(header, 0, "the number of variables")
    records = []
    for row in lines:
        if len(row.fields) != 3:
            raise row.invalid(
                f"the line has {len(row.fields)} fields instead of 3",
                "Write every entry as `i j value`; the file may be half-written.",
            )
        i, j = row.index(0, size, base=1), row.index(1, size, base=1)
        records.append((row, i, j, row.number(2, "the value")))
    check_count(header, header.integer(1, "the number of entries"), lines, "entries")
    return make_quadratic_form(
        map(str, range(1, size + 1)),
        collect(records, duplicates=duplicates, diagonal=True),
        offdiagonal_factor=2.0 if offdiag_doubled else 1.0,
    )
