"""Arrow tables in the form that a description in `storage.schemas` demands.

Arrow's functions are imported by what calls one: a table of some rows is read without them, which takes a short command 0.05 s less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.schemas import Column, Table

#: Rows that are read from a file, or labelled, at once.
BATCH_ROWS = 1 << 17
#: Up to so many rows, Python is quicker than the import of Arrow's functions.
FEW_ROWS = 1000


class SchemaMismatch(ValueError):
    """A table does not match its description; a mistake of the code, not of a user."""


def from_rows(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows (any number, also none) as a sorted Arrow table.

    Raises:
        SchemaMismatch: a row lacks a column, has an unknown one, or a value that does not fit its type.
    """
    names = {column.name for column in table.columns}
    for row in rows:
        if row.keys() != names:
            wrong = sorted(row.keys() ^ names)
            raise SchemaMismatch(f"table {table.name}: columns {wrong} are missing or unknown")
    try:
        made = pa.Table.from_pylist([dict(row) for row in rows], schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaMismatch(f"table {table.name}: {error}") from error
    return conform(table, made)


def conform(table: Table, data: pa.Table) -> pa.Table:
    """Return ``data`` with the columns, types and row order of ``table``.

    Raises:
        SchemaMismatch: columns or types differ, a column holds a null or a value that it must not hold, or the key
            repeats.
    """
    if data.column_names != [column.name for column in table.columns]:
        missing = sorted({c.name for c in table.columns} ^ set(data.column_names))
        raise SchemaMismatch(f"table {table.name}: columns differ: {missing or 'order'}")
    if not data.schema.equals(table.schema, check_metadata=True):
        try:
            data = data.cast(table.schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise SchemaMismatch(f"table {table.name}: {error}") from error
    for column in table.columns:
        if not column.nullable and data.column(column.name).null_count:
            raise SchemaMismatch(f"table {table.name}: column {column.name} holds nulls")
        _check_values(table, column, data.column(column.name))
    data = data.combine_chunks()
    if not _is_sorted(data, table.order):
        data = data.sort_by([(name, "ascending") for name in table.order]).combine_chunks()
    if _has_duplicate_keys(table, data):
        raise SchemaMismatch(f"table {table.name}: rows repeat the key {table.key}")
    return data


def _check_values(table: Table, column: Column, values: pa.ChunkedArray) -> None:
    import pyarrow.compute as pc

    if column.words:
        unknown = sorted(set(pc.unique(values).to_pylist()) - {*column.words, None})
        if unknown:
            raise SchemaMismatch(f"table {table.name}: column {column.name} holds {unknown}, none of {column.words}")
    if column.minimum is not None:
        smallest = pc.min(values).as_py()
        if smallest is not None and smallest < column.minimum:
            raise SchemaMismatch(f"table {table.name}: column {column.name} holds {smallest}, below {column.minimum}")


def _is_sorted(data: pa.Table, names: Sequence[str]) -> bool:
    """Tell whether rows are in ascending order already, in one pass; sorting millions of sorted rows is expensive.

    A column that mixes values with nulls counts as unsorted.
    """
    import pyarrow.compute as pc

    if data.num_rows < 2:
        return True
    tied: Any = True
    for name in names:
        column = data.column(name)
        if column.null_count == data.num_rows:
            continue
        if column.null_count:
            return False
        before, after = column.slice(0, data.num_rows - 1), column.slice(1)
        if pc.any(pc.and_(tied, pc.greater(before, after))).as_py():
            return False
        tied = pc.and_(tied, pc.equal(before, after))
    return True


def _has_duplicate_keys(table: Table, data: pa.Table) -> bool:
    """Tell whether two rows of a sorted table have the same key."""
    import pyarrow.compute as pc

    if data.num_rows < 2:
        return False
    if not set(table.key) <= set(table.order):
        return bool(data.group_by(list(table.key)).aggregate([]).num_rows != data.num_rows)
    same: Any = True
    for name in table.key:
        column = data.column(name)
        before, after = column.slice(0, data.num_rows - 1), column.slice(1)
        equal = pc.equal(before, after).fill_null(False)
        same = pc.and_(same, pc.or_(equal, pc.and_(pc.is_null(before), pc.is_null(after))))
    return bool(pc.any(same).as_py())


def distinct_values(column: pa.ChunkedArray) -> set[Any]:
    """Return the values of a column, each once."""
    if len(column) <= FEW_ROWS:
        return set(column.to_pylist())
    import pyarrow.compute as pc

    return set(pc.unique(column).to_pylist())


def upgrade_rows(table: Table, data: pa.Table) -> pa.Table:
    """Return rows that another release wrote in the columns of ``table``: new columns are null, unknown ones dropped.

    Raises:
        SchemaMismatch: a column that must not be null is missing, or a type cannot be cast.
    """
    if data.schema.equals(table.schema):
        return data.replace_schema_metadata(table.schema.metadata)
    missing = [c for c in table.columns if c.name not in data.column_names]
    for column in missing:
        if not column.nullable:
            raise SchemaMismatch(f"table {table.name}: column {column.name} is missing")
        data = data.append_column(column.name, pa.nulls(data.num_rows, column.type))
    data = data.select([c.name for c in table.columns])
    if data.schema.equals(table.schema):
        return data.replace_schema_metadata(table.schema.metadata)
    try:
        return data.cast(table.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise SchemaMismatch(f"table {table.name}: {error}") from error


class TextDeduplicator:
    """Texts that fill a whole column of a batch, such as the experiment's key, held in memory once for all batches."""

    def __init__(self) -> None:
        self._known: dict[str, pa.Array] = {}

    def deduplicate_texts(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the same rows; a column of one and the same text shares its memory with those of other batches.

        A column of texts may come as a dictionary, which tells quickly that there is but one; it leaves as plain texts.
        """
        columns = [self._deduplicate_column(column) for column in batch.columns]
        fields = [field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))

    def _deduplicate_column(self, column: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(column.type):
            if len(column.dictionary) != 1 or column.null_count:
                return column.dictionary_decode()
            return self._repeat(column.dictionary[0], len(column))
        if not pa.types.is_string(column.type) or len(column) < 2 or column.null_count:
            return column
        import pyarrow.compute as pc

        return self._repeat(column[0], len(column)) if pc.all(pc.equal(column, column[0])).as_py() else column

    def _repeat(self, text: pa.StringScalar, times: int) -> pa.Array:
        known = self._known.get(text.as_py())
        if known is None or len(known) < times:
            self._known[text.as_py()] = known = pa.repeat(text, times)
        return known.slice(0, times)


def with_texts_deduplicated(data: pa.Table) -> pa.Table:
    """Return the same rows; a text that fills a column takes the memory of one batch, however many rows there are."""
    texts = TextDeduplicator()
    return pa.Table.from_batches(
        [texts.deduplicate_texts(batch) for batch in data.to_batches(max_chunksize=BATCH_ROWS)], schema=data.schema
    )


def empty(table: Table) -> pa.Table:
    """Return the table without rows."""
    return table.schema.empty_table()


def from_columns(table: Table, columns: Mapping[str, Any]) -> pa.Table:
    """Return columns (arrays or sequences of one length; a scalar is repeated) as a sorted Arrow table.

    Raises:
        SchemaMismatch: a column is missing or unknown, or a value does not fit its type.
    """
    names = [column.name for column in table.columns]
    if set(columns) != set(names):
        raise SchemaMismatch(f"table {table.name}: columns {sorted(set(columns) ^ set(names))} are missing or unknown")
    length = next((len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__")), 1)
    arrays = []
    for column in table.columns:
        value = columns[column.name]
        if isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * length
        try:
            arrays.append(pa.array(value, type=column.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise SchemaMismatch(f"table {table.name}, column {column.name}: {error}") from error
    return conform(table, pa.Table.from_arrays(arrays, schema=table.schema))
