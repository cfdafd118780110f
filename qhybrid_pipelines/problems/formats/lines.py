"""What all readers of text files share: bytes to text, text to rows of fields, fields to plain numbers.

Accepted everywhere: a byte-order mark, CRLF line ends, blank lines, comment lines. Refused everywhere: what is not
text, NaN and infinities, a decimal comma, thousands separators, anything that is not written as a plain number.
A row knows its file and line, so that every message can name them.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zlib
from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed

#: Larger files are refused before they are read.
MAX_BYTES = 50_000_000

#: More variables than any method here could use; a header alone must not claim memory without bound.
MAX_VARIABLES = 100_000

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+", re.ASCII)

#: First bytes of files that people mistake for text, and what they are.
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def decode_text(data: bytes, *, file: str) -> str:
    """Return the text of a problem file: UTF-8, without byte-order mark, lines ended by a newline character, composed.

    Raises:
        InvalidInput: empty, larger than 50 MB, an archive or another binary file, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise file_too_large_error(len(data), file=file)
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            raise InvalidInput(
                f"the file is {kind}", remedy="Unpack or export it; a problem file is plain UTF-8 text.", file=file
            )
    if b"\x00" in data:
        raise InvalidInput(
            "the file is binary",
            remedy="A problem file is plain UTF-8 text.",
            file=file,
            line=data[: data.index(b"\x00")].count(b"\n") + 1,
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "the file is not UTF-8 text",
            remedy="Save it as UTF-8.",
            file=file,
            line=data[: error.start].count(b"\n") + 1,
        ) from None
    if not text.strip():
        raise InvalidInput("the file is empty", remedy="Give a file with a problem in it.", file=file)
    return composed(text).replace("\r\n", "\n").replace("\r", "\n")


def unpack(data: bytes, *, file: str) -> bytes:
    """Return the content of a file whose name ends in ``.gz``; of every other file what it holds.

    Raises:
        InvalidInput: it is not gzip, is cut off, or is larger than 50 MB when it is unpacked.
    """
    if not file.lower().endswith(".gz"):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise InvalidInput(
            "the file is not a complete gzip archive", remedy="Pack it again, or give it unpacked.", file=file
        ) from None
    if len(content) > MAX_BYTES:
        raise file_too_large_error(len(content), file=file)
    return content


def file_too_large_error(size: int, *, file: str) -> InvalidInput:
    """Return the error for a file of ``size`` bytes that is over the limit."""
    return InvalidInput(
        f"the file has {size / 1e6:.0f} MB",
        remedy=f"At most {MAX_BYTES // 1_000_000} MB are accepted; reduce the problem first.",
        file=file,
    )


def is_plain_number(field: str) -> bool:
    """Return whether a field is written as a plain number."""
    return _NUMBER.fullmatch(field) is not None


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one line, separated by white space, with its place: ``line`` is 1-based."""

    file: str
    line: int
    fields: tuple[str, ...]

    def invalid(self, problem: str, remedy: str) -> InvalidInput:
        """Return an error at this line."""
        return InvalidInput(problem, remedy=remedy, file=self.file, line=self.line)

    def integer(self, column: int, meaning: str) -> int:
        """Return a field as an integer of at most 18 digits.

        Raises:
            InvalidInput: the field is missing or is not written as an integer.
        """
        field = self._field(column, meaning)
        if not _INTEGER.fullmatch(field):
            raise self.invalid(f"{meaning} is {field[:40]!r}, not an integer", "Write it with digits only.")
        return int(field)

    def number(self, column: int, meaning: str) -> float:
        """Return a field as a finite float64.

        Raises:
            InvalidInput: the field is missing, or is not a plain finite number; a decimal comma gets a hint of its own.
        """
        field = self._field(column, meaning)
        if _DECIMAL_COMMA.fullmatch(field):
            raise self.invalid(f"{meaning} {field[:40]!r} has a decimal comma", "Write a decimal point.")
        if not _NUMBER.fullmatch(field) or not math.isfinite(float(field)):
            raise self.invalid(
                f"{meaning} is {field[:40]!r}, not a finite number", "Write a plain number such as -3, 0.25 or 1e-3."
            )
        return float(field)

    def index(self, column: int, size: int, *, base: int) -> int:
        """Return a field as a 0-based index below ``size``; in the file, counting starts at ``base``.

        Raises:
            InvalidInput: not an integer, or outside ``base .. size - 1 + base``.
        """
        given = self.integer(column, "the index")
        if not base <= given < size + base:
            other = 1 - base
            raise self.invalid(
                f"index {given} is outside {base} to {size - 1 + base}",
                f"This format counts from {base} here; a file that counts from {other} must be declared as such "
                f"(format edge_list with options.index_base: {other})."
                if given in (0, size)
                else "Correct the index, or the size in the header.",
            )
        return given - base

    def _field(self, column: int, meaning: str) -> str:
        if column >= len(self.fields):
            raise self.invalid(
                f"{meaning} is missing: the line has {len(self.fields)} of at least {column + 1} fields",
                "Complete the line; the file may be half-written.",
            )
        return self.fields[column]


def split_rows(text: str, *, file: str, comments: tuple[str, ...] = ("#",)) -> list[Row]:
    """Return the rows of a text, without blank lines and without lines that start with a comment mark.

    Raises:
        InvalidInput: nothing is left.
    """
    rows = [
        Row(file, number, tuple(fields))
        for number, line in enumerate(text.split("\n"), start=1)
        if (fields := line.split()) and not fields[0].startswith(comments)
    ]
    if not rows:
        raise InvalidInput("the file holds only comments", remedy="Give a file with a problem in it.", file=file)
    return rows


def size_field(row: Row, column: int, meaning: str) -> int:
    """Return a number of variables from a header.

    Raises:
        InvalidInput: not an integer from 1 to 100 000.
    """
    size = row.integer(column, meaning)
    if not 1 <= size <= MAX_VARIABLES:
        raise row.invalid(f"{meaning} is {size}", f"It must be from 1 to {MAX_VARIABLES}.")
    return size


def check_count(header: Row, announced: int, records: list[Row], what: str) -> None:
    """Check that a file holds as many records as its header announces.

    Raises:
        InvalidInput: fewer (names the last line that is there) or more (names the first line too many).
    """
    if announced < 0:
        raise header.invalid(f"the number of {what} is {announced}", "Correct the header.")
    if len(records) < announced:
        last = records[-1] if records else header
        raise last.invalid(
            f"the file ends after {len(records)} of {announced} {what}",
            f"Complete the file (it may be half-written) or correct the header in line {header.line}.",
        )
    if len(records) > announced:
        raise records[announced].invalid(
            f"the file holds {len(records)} {what}, its header announces {announced}",
            f"Remove what is too many or correct the header in line {header.line}.",
        )
