import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.schemas import Column, Table
from qhybrid_pipelines.storage.tables import (
    SchemaMismatch,
    TextDeduplicator,
    conform,
    from_columns,
    from_rows,
    upgrade_rows,
)

SMALL = Table(
    name="small",
    meaning="for tests",
    key=("a", "b"),
    order=("a", "b"),
    columns=(
        Column(name="a", type=pa.string(), meaning="first"),
        Column(name="b", type=pa.binary(), meaning="second", nullable=True),
        Column(name="word", type=pa.string(), meaning="one of two", words=("yes", "no")),
        Column(name="count", type=pa.int64(), meaning="how often", minimum=1, nullable=True),
    ),
)

KEYS = st.lists(st.tuples(st.sampled_from("xyz"), st.one_of(st.none(), st.binary(max_size=2))), unique=True, max_size=8)


def small(keys):
    return pa.Table.from_pylist(
        [{"a": a, "b": b, "word": "yes", "count": 1} for a, b in keys],
        schema=SMALL.schema,
    )


@settings(deadline=None)
@given(KEYS, st.randoms(use_true_random=False))
def test_row_order_does_not_depend_on_the_order_given(keys, random):
    shuffled = random.sample(keys, len(keys))
    assert conform(SMALL, small(keys)).equals(conform(SMALL, small(shuffled)))


@settings(deadline=None)
@given(KEYS.filter(bool))
def test_a_repeated_key_is_refused_wherever_it_stands(keys):
    with pytest.raises(SchemaMismatch, match="repeat the key"):
        conform(SMALL, small([*keys, keys[0]]))


def test_sorted_input_is_not_sorted_again_but_sorts_alike():
    rows = small([("x", b"1"), ("x", b"2"), ("y", b"0")])
    assert conform(SMALL, rows).equals(rows)
    assert conform(SMALL, rows.take([2, 0, 1])).equals(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"word": "maybe"}, "maybe"),
        ({"count": 0}, "below 1"),
        ({"word": None}, "null"),
    ],
)
def test_values_that_a_column_must_not_hold(change, message):
    row = {"a": "x", "b": None, "word": "no", "count": None, **change}
    with pytest.raises(SchemaMismatch, match=message):
        conform(SMALL, pa.Table.from_pylist([row]).select(["a", "b", "word", "count"]))


def test_rows_and_columns_make_the_same_table():
    rows = [{"a": "x", "b": b"1", "word": "no", "count": 2}, {"a": "x", "b": b"0", "word": "no", "count": 3}]
    columns = {"a": "x", "b": [b"1", b"0"], "word": "no", "count": [2, 3]}
    assert from_rows(SMALL, rows).equals(from_columns(SMALL, columns))


def test_a_missing_column_is_named():
    with pytest.raises(SchemaMismatch, match="word"):
        from_rows(SMALL, [{"a": "x", "b": None, "count": 1}])


def test_rows_of_an_older_release_get_nulls_and_those_of_a_newer_one_lose_what_is_unknown():
    older = pa.table({"a": ["x"], "word": ["yes"], "b": pa.array([b"1"])})
    assert upgrade_rows(SMALL, older).to_pylist() == [{"a": "x", "b": b"1", "word": "yes", "count": None}]
    newer = small([("x", b"1")]).append_column("later", pa.array([7]))
    assert upgrade_rows(SMALL, newer).equals(small([("x", b"1")]))
    with pytest.raises(SchemaMismatch, match="column word is missing"):
        upgrade_rows(SMALL, pa.table({"a": ["x"]}))


def test_descriptions_are_consistent():
    for table in schemas.TABLES:
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names), table.name
        assert {*table.key, *table.order} <= set(names), table.name
        assert table.meaning
        assert all(column.meaning for column in table.columns), table.name
    assert len({table.name for table in schemas.TABLES}) == len(schemas.TABLES)
    assert set(schemas.TABLES) == {*schemas.LAKE_TABLES, *schemas.LEDGER_TABLES}


def test_a_text_that_fills_a_column_is_held_once_for_all_batches():
    batches = [
        pa.record_batch({"a": ["key"] * rows, "b": list("xy" * (rows // 2)), "c": [None] * rows}) for rows in (8, 8, 4)
    ]
    batches.append(pa.record_batch({"a": ["key", "other"], "b": ["x", "x"], "c": [None, None]}))
    batches.append(batches[0].slice(0, 0))
    texts = TextDeduplicator()
    kept = [texts.deduplicate_texts(batch) for batch in batches]
    assert [batch.to_pylist() for batch in kept] == [batch.to_pylist() for batch in batches]
    places = [batch.column("a").buffers()[2].address for batch in kept[:3]]
    assert len(set(places)) == 1
