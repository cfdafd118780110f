"""Looking for planted words and numbers in everything that a folder holds, whatever format it is written in."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def number_encodings(number: float) -> list[str]:
    """Return how a number may stand in a file: its digits, and its eight bytes as text and as hexadecimal digits."""
    packed = struct.pack("<d", number)
    digits = repr(number).replace(".", "").strip("0")
    return [repr(number), digits, packed.decode("latin-1"), packed.hex(), packed.hex().upper()]


def files_containing(folder: Path, needles: Sequence[str]) -> set[str]:
    """Return the files below a folder in which any of some texts is found, relative to it, sorted by name."""
    return {
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in text for text in decode_texts(path) for needle in needles)
    }


def decode_texts(path: Path) -> Iterator[str]:
    """Yield what a file holds: its bytes one by one as characters, and what they mean to who can read them."""
    content = path.read_bytes()
    yield content.decode("latin-1")
    if content.startswith(b"PAR1"):
        yield _rows_as_json(pq.read_table(path).to_pylist())
    elif content.startswith(b"SQLite format 3"):
        # not read-only: the last changes stand in the write-ahead log beside it
        with closing(sqlite3.connect(path)) as database:
            yield from database.iterdump()
    elif content[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as database:
            names = database.sql("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
            for schema, name in names:
                yield _rows_as_json(database.sql(f'SELECT * FROM "{schema}"."{name}"').fetchall())
    for magic, codec in _COMPRESSED.items():
        if content.startswith(magic):
            with pa.input_stream(pa.BufferReader(content), compression=codec) as stream:
                yield stream.read().decode("latin-1")


def _rows_as_json(rows: Iterable[object]) -> str:
    return json.dumps(
        list(rows), default=lambda value: value.decode("latin-1") if isinstance(value, bytes) else repr(value)
    )
