"""What every reader refuses and accepts, whatever the format."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_BYTES, Row, check_count, decode_text, size_field, split_rows


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("graph.rud", "2 1\n1 2 1\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"", None, "empty"),
        (b" \r\n\n", None, "empty"),
        (zipped(), None, "zip archive"),
        (gzip.compress(b"2 1\n1 2 1\n", mtime=0), None, "gzip archive"),
        ("2 1\n1 2 1\n".encode("utf-16"), None, "UTF-16"),
        (b"2 1\n1 2 \x00\n", 2, "binary"),
        (b"2 1\n1 2 1\n# caf\xe9\n", 3, "UTF-8"),
        (b"1" * (MAX_BYTES + 1), None, "50 MB"),
    ],
)
def test_what_is_no_text_is_refused(data, line, word):
    with pytest.raises(InvalidInput, match=word) as caught:
        decode_text(data, file="graph.rud")
    assert (caught.value.file, caught.value.line) == ("graph.rud", line)


def test_byte_order_mark_and_line_ends_are_accepted():
    assert decode_text("\ufeff1 2\r\n3 4\r5 6\n".encode(), file="f") == "1 2\n3 4\n5 6\n"


def test_rows_keep_their_line_numbers_across_blank_lines_and_comments():
    rows = split_rows("# licence\n\n 1  2 \n#\n3\n", file="f")
    assert [(row.line, row.fields) for row in rows] == [(3, ("1", "2")), (5, ("3",))]
    with pytest.raises(InvalidInput, match="only comments"):
        split_rows("# a\n# b\n", file="f")


@pytest.mark.parametrize("text", ["3", "-3", "+3.", ".5", "0.25", "1e-3", "2E+4"])
def test_plain_numbers(text):
    assert Row("f", 1, (text,)).number(0, "the weight") == float(text)


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "inf", "-Infinity", "1e999", "1_000", "0x10", "1e", "--1", "1.2.3", "½", "٣", "True", "1/2"]
)
def test_anything_else_is_no_number(text):
    with pytest.raises(InvalidInput, match="finite number") as caught:
        Row("f", 7, (text,)).number(0, "the weight")
    assert caught.value.line == 7


def test_a_decimal_comma_gets_its_own_hint():
    with pytest.raises(InvalidInput, match=r"decimal comma.*decimal point"):
        Row("f", 1, ("0,5",)).number(0, "the weight")


@pytest.mark.parametrize("text", ["1.0", "1e3", "1" * 19, "٣", "1_0", ""])
def test_integers_are_digits_only(text):
    with pytest.raises(InvalidInput, match="integer"):
        Row("f", 1, (text,)).integer(0, "the index")


def test_an_index_outside_names_the_range_and_the_other_base():
    row = Row("f", 4, ("0", "5", "6"))
    assert row.index(1, 5, base=1) == 4
    with pytest.raises(InvalidInput, match=r"outside 1 to 5.*index_base: 0"):
        row.index(0, 5, base=1)
    with pytest.raises(InvalidInput, match=r"outside 0 to 4.*index_base: 1"):
        row.index(1, 5, base=0)
    with pytest.raises(InvalidInput, match=r"outside 1 to 5\. Correct the index"):
        row.index(2, 5, base=1)


@pytest.mark.parametrize("size", ["0", "-4", "100001"])
def test_a_size_must_be_sensible(size):
    with pytest.raises(InvalidInput, match="from 1 to 100000"):
        size_field(Row("f", 1, (size,)), 0, "the number of nodes")


def test_counts_name_the_last_line_or_the_first_too_many():
    header = Row("f", 1, ("3", "2"))
    records = [Row("f", line, ("x",)) for line in (2, 3, 5)]
    check_count(header, 3, records, "edges")
    for announced, line, word in ((4, 5, "half-written"), (2, 5, "Remove"), (-1, 1, "Correct")):
        with pytest.raises(InvalidInput, match=word) as caught:
            check_count(header, announced, records, "edges")
        assert caught.value.line == line
    with pytest.raises(InvalidInput, match="0 of 2") as caught:
        check_count(header, 2, [], "edges")
    assert caught.value.line == 1
