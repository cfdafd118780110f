"""CSV lists of matrix entries with the header ``i,j,value``; variables are named by free text.

Nothing in such a list says whether an off-diagonal entry stands for one or for both halves of the matrix, so
that is always declared: with ``offdiag_doubled: true`` it counts twice in ``x'Qx``.
"""

from __future__ import annotations

from qhybrid_pipelines.problems.formats.csv_edges import read_records
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form


def read(text: str, *, file: str, offdiag_doubled: bool, duplicates: Duplicates = "refuse") -> QuadraticForm:
    """Return ``x'Qx`` as a form over 0 and 1; variables are in the order of their first appearance.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    names, records = read_records(text, file=file, headers=(("i", "j", "value"),))
    entries = collect(records, duplicates=duplicates, diagonal=True)
    return make_quadratic_form(names, entries, offdiagonal_factor=2.0 if offdiag_doubled else 1.0)
