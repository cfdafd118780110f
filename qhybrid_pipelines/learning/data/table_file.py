"""A user's CSV or Parquet file as rows of numbers and labels; every fault has its column and line or row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.data.row_selection import RawDataset, normalise_label
from qhybrid_pipelines.learning.data.table_cells import first_missing_index, is_number, parse_number, replace_booleans
from qhybrid_pipelines.learning.data.table_columns import TableColumns, feature_columns, indicator_columns
from qhybrid_pipelines.learning.data.time_order import time_ranks

MAX_BYTES = 50_000_000
#: Every model is trained many times over all rows; the kernel methods take time with their square.
MAX_ROWS = 20_000
MAX_COLUMNS = 1_000
#: What a compressed file may unpack to.
MAX_UNPACKED_BYTES = 500_000_000

#: Squares of larger values leave the range of float64.
MAX_MAGNITUDE = 1e100

FILE_SUFFIXES = (".csv", ".parquet")


def read_table(content: bytes, *, file: str, columns: TableColumns) -> RawDataset:
    """Return the rows of a table file; columns that are neither the label nor a feature are not looked at.

    Args:
        content: the file's bytes.
        file: its name; the ending tells the format.
        columns: the label, the features, and what else columns are for.

    Raises:
        InvalidInput: not such a file, an unknown or repeated column, a missing value, or a feature that is not a finite
            number. Names the file, the column and the line (CSV) or row (Parquet).
    """
    if len(content) > MAX_BYTES:
        raise InvalidInput(
            f"the file has more than {MAX_BYTES // 1_000_000} MB", remedy="Train on a sample of its rows.", file=file
        )
    ending = PurePath(file).suffix.lower()
    if ending == ".csv":
        return _read_csv(content, file=file, columns=columns)
    if ending == ".parquet":
        return _read_parquet(content, file=file, columns=columns)
    raise InvalidInput(
        f"a data set cannot be read from {ending or 'a file without an ending'}",
        remedy=f"Use one of: {', '.join(FILE_SUFFIXES)}; or one of scikit-learn's as sklearn:NAME.",
        file=file,
        field="dataset.source",
    )


def _read_csv(content: bytes, *, file: str, columns: TableColumns) -> RawDataset:
    header, rows, header_line, lines = _csv_rows(content, file, has_header=columns.header)
    wanted = feature_columns(header, columns, file, line=header_line)
    _check_size(len(rows), len(wanted), file)
    cells = dict(zip(header, zip(*rows, strict=True), strict=True))
    used = (*wanted, columns.target, *columns.apart)
    for name in used:
        empty = first_missing_index(cells[name])
        if empty is not None:
            raise _missing_value_error(name, file=file, line=lines[empty], columns=columns)
    numbers: dict[str, F64] = {}
    for name in wanted:
        numbers |= (
            indicator_columns(name, cells[name], file=file)
            if name in columns.categorical
            else {name: _csv_numbers(cells[name], name, file=file, lines=lines)}
        )
    return _raw_dataset(
        numbers,
        replace_booleans(cells[columns.target]),
        file=file,
        columns=columns,
        lines=tuple(lines),
        groups=cells[columns.group] if columns.group else None,
        times=time_ranks(cells[columns.time], columns.time, file=file, lines=lines) if columns.time else None,
    )


def _csv_rows(
    content: bytes, file: str, *, has_header: bool
) -> tuple[list[str], list[list[str]], int | None, list[int]]:
    """Return the names of the columns, the rows, the line of the header, and that of each row."""
    try:
        text = composed(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidInput("this is not UTF-8 text", remedy="Save it as UTF-8.", file=file, line=line) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InvalidInput(
            f"this is not CSV: {error}", remedy="Check the quotes at this line.", file=file, line=reader.line_num
        ) from None
    if not rows:
        raise InvalidInput("the file is empty", remedy="Put the names of the columns into the first line.", file=file)
    header = [name.strip() for name in rows[0]]
    _check_header(header, file=file, line=lines[0], is_meant=has_header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise InvalidInput(
                f"this line has {len(row)} cells and the first has {len(header)}",
                remedy="Every line needs one cell for each column; numbers are written with a decimal point.",
                file=file,
                line=line,
            )
    if has_header:
        return header, rows[1:], lines[0], lines[1:]
    return [f"column_{number + 1}" for number in range(len(header))], rows, None, lines


def _check_header(header: Sequence[str], *, file: str, line: int, is_meant: bool) -> None:
    if is_meant and all(is_number(name) for name in header):
        raise InvalidInput(
            "the first line holds numbers, not the names of columns",
            remedy="Name the columns there, or say dataset.header: false and call them column_1, column_2, …",
            file=file,
            line=line,
            field="dataset.header",
        )
    if len(header) == 1 and ";" in header[0]:
        raise InvalidInput(
            "the columns are separated by semicolons", remedy="Separate them by commas.", file=file, line=line
        )


def _csv_numbers(cells: Sequence[str], name: str, *, file: str, lines: Sequence[int]) -> F64:
    numbers = replace_booleans(cells)
    try:
        values = np.array([parse_number(cell) for cell in numbers], dtype=np.float64)
    except ValueError:
        at = next(at for at, cell in enumerate(cells) if not is_number(cell))
    else:
        usable = np.abs(values) <= MAX_MAGNITUDE
        if usable.all():
            return values
        at = int(np.argmin(usable))
    raise _not_finite_error(name, cells[at], file=file, line=lines[at])


def _read_parquet(content: bytes, *, file: str, columns: TableColumns) -> RawDataset:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(pa.BufferReader(content))
        stored, parquet_metadata = list(opened.schema_arrow.names), opened.metadata
        header = [composed(name) for name in stored]
        index = {composed(name) for name in _index_columns(opened.schema_arrow)}
        wanted = feature_columns(header, columns, file, index=index)
        _check_size(parquet_metadata.num_rows, len(wanted), file)
        if (
            sum(parquet_metadata.row_group(group).total_byte_size for group in range(parquet_metadata.num_row_groups))
            > MAX_UNPACKED_BYTES
        ):
            raise InvalidInput(
                f"the file unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB",
                remedy="Train on a sample of its rows.",
                file=file,
            )
        spelt = dict(zip(header, stored, strict=True))
        used = [*wanted, columns.target, *columns.apart]
        table = opened.read(columns=[spelt[name] for name in used])
        table = table.select([spelt[name] for name in used]).rename_columns(used)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(
            f"this is not a readable Parquet file: {str(error).splitlines()[0]}", remedy="Write it again.", file=file
        ) from None
    for name in used:
        if table[name].null_count:
            row = int(np.argmax(table[name].is_null().to_numpy()))
            raise _missing_value_error(name, file=file, row=row, columns=columns)
    numbers: dict[str, F64] = {}
    for name in wanted:
        numbers |= (
            indicator_columns(name, _parquet_labels(table[name], name, file=file, columns=columns), file=file)
            if name in columns.categorical
            else {name: _parquet_numbers(table[name], name, file=file, columns=columns)}
        )
    return _raw_dataset(
        numbers,
        _parquet_labels(table[columns.target], columns.target, file=file, columns=columns),
        file=file,
        columns=columns,
        groups=_parquet_labels(table[columns.group], columns.group, file=file, columns=columns)
        if columns.group
        else None,
        times=time_ranks([str(value) for value in table[columns.time].to_pylist()], columns.time, file=file)
        if columns.time
        else None,
    )


def _index_columns(schema: Any) -> list[str]:
    """Return the columns that hold a data frame's own index, by what pandas wrote about them; none without its words."""
    try:
        columns = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, ValueError, TypeError):
        return []
    return [name for name in columns if isinstance(name, str)]


def _parquet_numbers(column: Any, name: str, *, file: str, columns: TableColumns) -> F64:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.int8()), pa.int8()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InvalidInput(
            f"column {name!r} holds {kind}, not numbers",
            remedy="List it under dataset.categorical if it holds names, or omit it with dataset.exclude.",
            file=file,
            field="dataset.features",
        )
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    usable = np.abs(values) <= MAX_MAGNITUDE
    if not usable.all():
        row = int(np.argmin(usable))
        if np.isnan(values[row]):
            raise _missing_value_error(name, file=file, row=row, columns=columns)
        raise _not_finite_error(name, str(values[row]), file=file, row=row)
    return values


def _parquet_labels(column: Any, name: str, *, file: str, columns: TableColumns) -> list[str]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.int8()), pa.int8()
    if not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind) or kind == pa.large_string()
    ):
        raise InvalidInput(
            f"column {name!r} holds {kind}, which cannot be a label",
            remedy="Use whole numbers or texts.",
            file=file,
            field=columns.field_of(name),
        )
    labels = [composed(str(value)) for value in column.to_pylist()]
    empty = first_missing_index(labels)
    if empty is not None:
        raise _missing_value_error(name, file=file, row=empty, columns=columns)
    return labels


def _check_size(rows: int, columns: int, file: str) -> None:
    if not rows:
        raise InvalidInput("there are no rows below the names of the columns", remedy="Add rows.", file=file)
    for count, most, what in ((rows, MAX_ROWS, "rows"), (columns, MAX_COLUMNS, "feature columns")):
        if count > most:
            raise InvalidInput(
                f"the file has {count} {what}, more than {most}",
                remedy="Every model is trained many times over all of them: take a sample or a selection.",
                file=file,
            )


def _raw_dataset(
    numbers: dict[str, F64],
    labels: Sequence[str],
    *,
    file: str,
    columns: TableColumns,
    lines: tuple[int, ...] | None = None,
    groups: Sequence[str] | None = None,
    times: I64 | None = None,
) -> RawDataset:
    plain = {label: normalise_label(label) for label in set(labels)}
    return RawDataset(
        name=file,
        features=np.column_stack(list(numbers.values())),
        feature_names=tuple(numbers),
        labels=tuple(plain[label] for label in labels),
        source=f"The file {file}, label in column {columns.target!r}.",
        licence="Unknown: the file's owner decides.",
        target=columns.target,
        file=file,
        lines=lines,
        groups=None if groups is None else tuple(groups),
        times=times,
    )


def _missing_value_error(
    name: str, *, file: str, columns: TableColumns, line: int | None = None, row: int | None = None
) -> InvalidInput:
    return InvalidInput(
        f"a value is missing in column {name!r}{_row_phrase(row)}",
        remedy="Fill it, or remove the row or the column; nothing is filled in silently.",
        file=file,
        line=line,
        field=columns.field_of(name),
    )


def _not_finite_error(
    name: str, cell: str, *, file: str, line: int | None = None, row: int | None = None
) -> InvalidInput:
    return InvalidInput(
        f"{cell!r} in column {name!r}{_row_phrase(row)} is not a finite number up to {MAX_MAGNITUDE:g}",
        remedy="Write plain numbers with a decimal point; list the column under dataset.categorical if it holds names, or omit it with "
        "dataset.exclude.",
        file=file,
        line=line,
        field="dataset.features",
    )


def _row_phrase(row: int | None) -> str:
    return "" if row is None else f", row {row + 1}"
