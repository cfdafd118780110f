"""Quadratic forms as other programs store them: qbsolv, dimod's JSON and COO, Ising JSON, Matrix Market, NumPy and SciPy.

A whole matrix ``Q`` means ``x'Qx`` literally: an entry counts once, so that a symmetric pair counts twice together and an
upper triangle once. Matrix Market files that declare symmetry stand for both halves.

Sources: qbsolv, D-Wave Systems, its README (2017); dimod, its serialisation of binary quadratic models (schema 3.0.0).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import number_table
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES, check_count, size_field, split_rows
from qhybrid_pipelines.problems.formats.network_files import read_matrix_market
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form

if TYPE_CHECKING:
    import dimod

#: Larger dense matrices would take more than a gigabyte on the way.
MAX_DENSE_VARIABLES = 10_000


def read_qbsolv(text: str, *, file: str, duplicates: Duplicates = "refuse") -> QuadraticForm:
    """Return the form of ``p qubo 0 maxNodes nNodes nCouplers`` and its lines ``i j value``, counted from 0.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    rows = [row for row in split_rows(text, file=file) if row.fields[0] != "c"]
    if not rows or rows[0].fields[:2] != ("p", "qubo") or len(rows[0].fields) != 6:
        raise InvalidInput(
            "the first line is not `p qubo topology maxNodes nNodes nCouplers`",
            remedy="A qbsolv file starts with that line, after comments.",
            file=file,
            line=rows[0].line if rows else None,
        )
    header, *lines = rows
    size = size_field(header, 3, "the number of variables")
    records = []
    for row in lines:
        if len(row.fields) != 3:
            raise row.invalid(
                f"the line has {len(row.fields)} fields instead of 3", "Write every entry as `i j value`."
            )
        i, j = row.index(0, size, base=0), row.index(1, size, base=0)
        records.append((row, i, j, row.number(2, "the value")))
    nodes = [row for row, i, j, _ in records if i == j]
    couplers = [row for row, i, j, _ in records if i != j]
    check_count(header, header.integer(4, "the number of nodes"), nodes, "nodes")
    check_count(header, header.integer(5, "the number of couplers"), couplers, "couplers")
    entries = collect(records, duplicates=duplicates, diagonal=True)
    return make_quadratic_form(map(str, range(size)), entries, offdiagonal_factor=1.0)


def read_dimod_json(text: str, *, file: str) -> QuadraticForm:
    """Return the form of a binary quadratic model that was written by ``to_serializable``; spins become bits exactly.

    Raises:
        InvalidInput: it is not one.
    """
    import dimod

    data = _json(text, file)
    try:
        return _from_bqm(dimod.BinaryQuadraticModel.from_serializable(data))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _not_readable("dimod_json", error, file) from None


def read_dimod_coo(text: str, *, file: str) -> QuadraticForm:
    """Return the form of a dimod COO file; its first line names the kind of variables, ``# vartype=BINARY``.

    Raises:
        InvalidInput: it is not one.
    """
    from dimod.serialization import coo

    try:
        return _from_bqm(coo.loads(text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _not_readable("dimod_coo", error, file) from None


def read_ising_json(text: str, *, file: str) -> QuadraticForm:
    """Return the form of ``{"h": {name: field}, "J": [[name, name, coupling], ...], "offset": number}``; bit 0 is spin +1.

    ``h`` may be a list, whose places are the names; ``J`` may be an object with keys ``"a,b"``.

    Raises:
        InvalidInput: it is not one.
    """
    import dimod

    data = _json(text, file)
    try:
        fields = data.get("h", {})
        linear = dict(enumerate(fields)) if isinstance(fields, list) else dict(fields)
        couplings = data["J"]
        if isinstance(couplings, Mapping):
            couplings = [[*key.split(","), value] for key, value in couplings.items()]
        quadratic = {(str(i).strip(), str(j).strip()): float(value) for i, j, value in couplings}
        if len(quadratic) != len(couplings):
            raise ValueError("a pair occurs twice in J")  # noqa: TRY301 - one message for all that is wrong
        spins = {str(name): -float(value) for name, value in linear.items()}
        model = dimod.BinaryQuadraticModel(spins, quadratic, float(data.get("offset", 0.0)), "SPIN")
        return _from_bqm(model)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _not_readable("ising_json", error, file) from None


def read_matrix_csv(text: str, *, file: str) -> QuadraticForm:
    """Return ``x'Qx`` of a whole matrix, one row a line.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    return form_of_matrix(*number_table.read(text, file=file))


def read_matrix_market_form(text: str, *, file: str) -> QuadraticForm:
    """Return ``x'Qx`` of a Matrix Market file; variables are named ``1 .. n``.

    Raises:
        InvalidInput: it is not one, or is not square.
    """
    try:
        return _from_sparse(read_matrix_market(text), base=1, file=file)
    except ValueError as error:
        raise _not_readable("matrix_market", error, file) from None


def read_npy(content: bytes, *, file: str) -> QuadraticForm:
    """Return ``x'Qx`` of one NumPy array; pickled objects are never loaded.

    Raises:
        InvalidInput: it is not a square matrix of finite numbers.
    """
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _not_readable("npy", error, file) from None
    if not isinstance(array, np.ndarray):
        raise InvalidInput("the file is an archive of arrays", remedy="Declare the format npz.", file=file)
    return form_of_matrix(*_checked(array, file))


def read_npz(content: bytes, *, file: str) -> QuadraticForm:
    """Return ``x'Qx`` of a SciPy sparse matrix, or of an archive with one NumPy array; pickled objects are never loaded.

    Raises:
        InvalidInput: it is neither, or is not square.
    """
    from zipfile import BadZipFile

    from scipy.sparse import load_npz

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            names = archive.files
            if "format" in names:
                return _from_sparse(load_npz(io.BytesIO(content)), base=0, file=file)
            if len(names) != 1:
                raise ValueError(f"it holds {len(names)} arrays")  # noqa: TRY301 - one message for all that is wrong
            return form_of_matrix(*_checked(archive[names[0]], file))
    except (ValueError, OSError, EOFError, KeyError, TypeError, BadZipFile, NotImplementedError) as error:
        raise _not_readable("npz", error, file) from None


def form_of_matrix(names: tuple[str, ...], matrix: F64) -> QuadraticForm:
    """Return ``x'Qx`` of a matrix, shape ``(n, n)``, whose entries count once each."""
    upper = np.triu(matrix, k=1) + np.tril(matrix, k=-1).T
    i, j = np.nonzero(upper)
    entries = [(k, k, value) for k, value in enumerate(np.diagonal(matrix).tolist())]
    entries += zip(i.tolist(), j.tolist(), upper[i, j].tolist(), strict=True)
    return make_quadratic_form(names, entries, offdiagonal_factor=1.0)


def _from_sparse(matrix: Any, *, base: int, file: str) -> QuadraticForm:
    from scipy.sparse import coo_array, tril, triu

    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not 1 <= matrix.shape[0] <= MAX_VARIABLES:
        raise InvalidInput(
            f"the matrix has the shape {'x'.join(map(str, matrix.shape))}", remedy="Give a square matrix.", file=file
        )
    if not np.isfinite(matrix.data).all() or np.iscomplexobj(matrix.data):
        raise InvalidInput("an entry is not a finite number", remedy="Give finite real numbers.", file=file)
    upper = coo_array(triu(matrix, k=1) + tril(matrix, k=-1).T)
    upper.sum_duplicates()
    entries = [(k, k, value) for k, value in enumerate(matrix.diagonal().astype(float).tolist())]
    entries += zip(upper.row.tolist(), upper.col.tolist(), upper.data.astype(float).tolist(), strict=True)
    names = map(str, range(base, matrix.shape[0] + base))
    return make_quadratic_form(names, entries, offdiagonal_factor=1.0)


def _from_bqm(model: dimod.BinaryQuadraticModel) -> QuadraticForm:
    import dimod

    binary = model.change_vartype(dimod.BINARY, inplace=False)
    names = [str(variable) for variable in binary.variables]
    if len(set(names)) != len(names) or not 1 <= len(names) <= MAX_VARIABLES:
        raise ValueError(f"it has {len(names)} variables, {len(set(names))} of them with distinct names")
    index = {variable: place for place, variable in enumerate(binary.variables)}
    entries = [(index[v], index[v], float(bias)) for v, bias in binary.linear.items()]
    entries += [
        (min(index[u], index[v]), max(index[u], index[v]), float(bias)) for (u, v), bias in binary.quadratic.items()
    ]
    values = [value for *_, value in entries] + [float(binary.offset)]
    if not np.isfinite(values).all():
        raise ValueError("a bias is not a finite number")
    return make_quadratic_form(names, entries, offdiagonal_factor=1.0, offset=float(binary.offset))


def _checked(array: Any, file: str) -> tuple[tuple[str, ...], F64]:
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not 1 <= array.shape[0] <= MAX_DENSE_VARIABLES:
        raise InvalidInput(
            f"the array has the shape {'x'.join(map(str, array.shape)) or 'of a single number'}",
            remedy=f"Give a square matrix of at most {MAX_DENSE_VARIABLES} rows; larger ones as a SciPy sparse matrix.",
            file=file,
        )
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise InvalidInput("an entry is not a finite number", remedy="Give finite real numbers.", file=file)
    return tuple(map(str, range(array.shape[0]))), array.astype(np.float64)


def _json(text: str, file: str) -> Any:
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"this is not JSON: {str(error).split(':')[0]}",
            remedy="Check the file with the program that wrote it.",
            file=file,
            line=getattr(error, "lineno", None),
        ) from None
    if not isinstance(data, dict):
        raise InvalidInput("the file holds no JSON object", remedy="Give an object, {...}.", file=file)
    return data


def _not_readable(format_name: str, error: Exception, file: str) -> InvalidInput:
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return InvalidInput(
        f"this is not a file in the format {format_name}: {reason}",
        remedy="Check the file with the program that wrote it, or declare another format.",
        file=file,
    )
