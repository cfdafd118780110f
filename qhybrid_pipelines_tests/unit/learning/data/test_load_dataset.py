"""Data sets: the same values have one digest however they are stored, and what cannot be learnt from is refused."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.learning.data.bundled_datasets import BUNDLED_NAMES
from qhybrid_pipelines.learning.data.dataset import describe_dataset
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.data.table_file import MAX_COLUMNS, MAX_ROWS


def bundled(name, **fields):
    return load_dataset(DatasetSpec(source=f"sklearn:{name}", **fields))


def from_csv(text, **fields):
    spec = DatasetSpec(source="rows.csv", **{"target": "y", **fields})
    return load_dataset(spec, text.encode() if isinstance(text, str) else text)


def from_columns(columns, **fields):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return load_dataset(DatasetSpec(source="rows.parquet", **{"target": "y", **fields}), sink.getvalue())


def to_csv(columns):
    out = io.StringIO()
    csv.writer(out).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("breast_cancer", (569, 30), ("malignant", "benign")),
        ("wine", (178, 13), ("class_0", "class_1", "class_2")),
        ("iris", (150, 4), ("setosa", "versicolor", "virginica")),
    ],
)
def test_bundled_sets_keep_scikit_learns_rows_and_class_indices(name, shape, classes):
    from sklearn import datasets

    found, theirs = bundled(name), getattr(datasets, f"load_{name}")()
    assert found.features.shape == shape
    assert found.class_names == classes
    np.testing.assert_array_equal(found.features, theirs.data)
    np.testing.assert_array_equal(found.labels, theirs.target)


def test_two_digits_keep_their_rows_and_lose_the_pixels_that_never_change():
    found = bundled("digits", classes=(3, 5))
    assert (found.rows, found.class_names) == (365, ("3", "5"))
    assert (np.ptp(found.features, axis=0) > 0).all()
    dataset_card = describe_dataset(found)
    assert dataset_card["classes"] == {"3": 183, "5": 182}
    assert any("Omitted" in note for note in dataset_card["notes"])


def test_classes_of_a_bundled_set_go_by_name_or_by_index():
    by_name, by_index = bundled("wine", classes=("class_1", "class_0")), bundled("wine", classes=(1, 0))
    assert by_name.digest == by_index.digest
    assert by_name.class_counts.tolist() == [71, 59]
    assert by_name.digest != bundled("wine", classes=(0, 1)).digest


def test_every_card_can_be_read_and_says_where_the_rows_come_from():
    for name in BUNDLED_NAMES:
        dataset_card = describe_dataset(bundled(name))
        assert "doi:" in dataset_card["source"]
        assert "CC BY" in dataset_card["licence"]
        assert sum(dataset_card["classes"].values()) == dataset_card["n_rows"]
        assert len(dataset_card["ranges"]) == dataset_card["n_columns"]
        assert dataset_card["limits"]
    assert describe_dataset(bundled("iris"))["duplicate_rows"] == 1
    assert any("1 rows repeat" in limit for limit in describe_dataset(bundled("iris"))["limits"])


@settings(deadline=None, max_examples=40)
@given(
    values=hnp.arrays(
        np.float64, (6, 2), elements=st.floats(-1e100, 1e100, allow_nan=False), unique=True, fill=st.nothing()
    )
)
def test_csv_and_parquet_of_the_same_values_are_the_same_data_set(values):
    columns = {"a": values[:, 0].tolist(), "y": [0, 1, 0, 1, 0, 1], "b, or c": values[:, 1].tolist()}
    one, other = from_csv(to_csv(columns)), from_columns(columns)
    np.testing.assert_array_equal(one.features, values)
    assert one.digest == other.digest
    assert one.digest != from_csv(to_csv({**columns, "y": [1, 0, 1, 0, 1, 0]})).digest


def test_zero_has_one_sign_in_the_digest_and_the_order_of_rows_counts():
    plain = from_csv("a,y\n0,0\n1,1\n2,1\n")
    assert from_csv("a,y\n-0.0,0\n1,1\n2,1\n").digest == plain.digest
    assert from_csv("a,y\n1,1\n0,0\n2,1\n").digest != plain.digest


def test_what_people_export_is_read():
    text = '\ufeffid,a,y\r\nrow one,1.5,1.0\r\n"row, two",2,0\r\n\r\n'
    found = from_csv(text, features=("a",))
    assert found.features.tolist() == [[1.5], [2.0]]
    assert found.labels.tolist() == [1, 0]
    assert from_columns({"a": [True, False], "y": [True, False]}).labels.tolist() == [1, 0]
    assert from_columns({"a": pa.array([1, 2], pa.int8()), "y": pa.array([1.0, 0.0])}).class_names == ("0", "1")
    texts = pa.array(["M", "B", "M"]).dictionary_encode()
    assert from_columns({"a": [1, 2, 3], "y": texts}, classes=("B", "M")).labels.tolist() == [1, 0, 1]


def test_truth_values_are_the_same_in_both_formats():
    columns = {"a": [True, False, True], "b": [1, 2, 3], "y": [True, False, False]}
    plain = from_csv(to_csv(columns))
    assert plain.digest == from_columns(columns).digest
    assert plain.labels.tolist() == [1, 0, 0]
    assert plain.features[:, 0].tolist() == [1.0, 0.0, 1.0]
    for read in (
        from_csv(to_csv(columns), classes=("True", "False")),
        from_columns(columns, classes=("True", "False")),
    ):
        assert read.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("text", "fields", "place", "says"),
    [
        ("a,y\n1,0\n,1\n", {}, (3, "dataset.features"), "missing in column 'a'"),
        ("a,y\n1,0\nNaN,1\n", {}, (3, "dataset.features"), "missing in column 'a'"),
        ("a,y\n1,0\n2,\n", {}, (3, "dataset.target"), "missing in column 'y'"),
        ("a,y\n1,0\nred,1\n", {}, (3, "dataset.features"), "'red' in column 'a' is not a finite number"),
        ("a,y\n1,0\ninf,1\n", {}, (3, "dataset.features"), "'inf' in column 'a'"),
        ("a,y\n1,0\n1e200,1\n", {}, (3, "dataset.features"), "not a finite number up to 1e+100"),
        (",a,y\n0,1,0\n1,2,1\n", {}, (None, "dataset.features"), "column 1 has no name"),
        ("a,y\n1,0\n2," + "9" * 5000 + "\n", {}, (3, "dataset.target"), "not a whole number"),
        ('a,y\n1,0\n"2,5",1\n', {}, (3, "dataset.features"), "decimal point"),
        ("a,b,y\n1,5,0\n2,5,1\n", {}, (None, "dataset.features"), "column 'b' holds the same value"),
        ("a,y\n1,0\n2,0\n", {}, (None, "dataset.target"), "same label '0' in column 'y'"),
        ("a,y\n1,0\n2,yes\n", {}, (3, "dataset.target"), "'yes' in column 'y' is not a whole number"),
        ("a,y\n1,ill\n2,ill\n", {}, (None, "dataset.target"), "at least two classes"),
        ("a,y\n" + "".join(f"{n},{n}.5\n" for n in range(40)), {}, (None, "dataset.target"), "40 different values"),
        ("a,y\n1,no\n2,yes\n", {}, (2, "dataset.target"), 'dataset.classes: ["no", "yes"]'),
        ("a,y\n1,0.5\n2,1\n", {}, (2, "dataset.target"), "'0.5' in column 'y' is not a whole number"),
        ("a,y\n1,0\n2,1\n", {"target": "label"}, (None, "dataset.target"), "there is no column 'label'"),
        ("area,y\n1,0\n2,1\n", {"features": ("aera",)}, (None, "dataset.features"), "Did you mean 'area'?"),
        ("a,y\n1,0\n2,1\n", {"classes": (0, 2)}, (None, "dataset.classes"), "no row has the class '2'"),
        ("a,a,y\n1,1,0\n2,2,1\n", {}, (1, None), "two columns are called 'a'"),
        ("a,y\n1,0\n2,1,3\n", {}, (3, None), "this line has 3 cells"),
        ("a,y\n1,0\n1_000,1\n", {}, (3, "dataset.features"), "'1_000' in column 'a' is not a finite number"),
        ("a,y\n1,True\n2,1\n", {}, (2, "dataset.target"), "'True' in column 'y' is not a whole number"),
        ("a,y\nTrue,1\n2,0\n", {}, (2, "dataset.features"), "'True' in column 'a'"),
        ("a;y\n1;0\n", {}, (1, None), "semicolons"),
        ("a,y\n", {}, (None, None), "no rows"),
        ("", {}, (None, None), "empty"),
        ("y\n1\n0\n", {}, (None, None), "no column except the label"),
        (b"a,y\n1,0\n\xff,1\n", {}, (3, None), "UTF-8"),
        ('a,y\n1,0\n"2,1\n', {}, (3, None), "not CSV"),
        ("a,y\n" + "1,0\n" * (MAX_ROWS + 1), {}, (None, None), f"more than {MAX_ROWS}"),
        (",".join(f"c{n}" for n in range(MAX_COLUMNS + 1)) + ",y\n" + "1," * (MAX_COLUMNS + 1) + "0\n", {}, (None, None), "feature columns"),
        ("a,y\n" + "".join(f"{n},{n}\n" for n in range(21)), {}, (None, "dataset.target"), "21 different values"),
    ],
)  # fmt: skip
def test_a_wrong_csv_is_refused_by_column_and_line(text, fields, place, says):
    with pytest.raises(InvalidInput) as caught:
        from_csv(text, **fields)
    assert (caught.value.line, caught.value.field) == place
    assert caught.value.file == "rows.csv"
    assert says in str(caught.value)


def test_the_remedies_for_labels_work():
    texts, numbers = "a,y\n1,no\n2,yes\n", "a,y\n" + "".join(f"{n},{n}.5\n" for n in range(40))
    assert from_csv(texts, classes=("no", "yes")).labels.tolist() == [0, 1]
    assert from_csv(numbers, classes=("3.5", "7.5")).rows == 2


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": [1.0, None], "y": [0, 1]}, "missing in column 'a', row 2"),
        ({"a": [1.0, float("nan")], "y": [0, 1]}, "missing in column 'a', row 2"),
        ({"a": [1.0, float("inf")], "y": [0, 1]}, "'inf' in column 'a', row 2"),
        ({"a": ["1", "2"], "y": [0, 1]}, "column 'a' holds string, not numbers"),
        ({"a": [1, 2], "y": [None, 1]}, "missing in column 'y', row 1"),
        ({"a": [1, 2, 3], "y": [0.0, 1.0, float("nan")]}, "missing in column 'y', row 3"),
        ({"a": [1, 2, 3], "y": ["0", "NA", ""]}, "missing in column 'y', row 2"),
        ({"a": [1, 2], "y": [[0], [1]]}, "cannot be a label"),
        ({"a": [1, 2], "y": ["no", "yes"]}, "'no' in column 'y' is not a whole number"),
    ],
)
def test_a_wrong_parquet_is_refused_by_column_and_row(columns, says):
    with pytest.raises(InvalidInput, match=r"rows\.parquet") as caught:
        from_columns(columns)
    assert says in str(caught.value)


def test_what_is_no_table_is_refused():
    spec = DatasetSpec(source="rows.parquet", target="y")
    with pytest.raises(InvalidInput, match="not a readable Parquet file"):
        load_dataset(spec, b"PAR1 and nothing else PAR1")
    with pytest.raises(InvalidInput, match=r"cannot be read from \.xlsx"):
        load_dataset(DatasetSpec(source="rows.xlsx", target="y"), b"")
    with pytest.raises(InvalidInput, match="sklearn:wine"):
        bundled("vine")
    with pytest.raises(InvalidInput, match="Did you mean 'alcohol'"):
        bundled("wine", features=("alcool",))


COLOURS = "colour,size,patient,y\n" + "".join(
    f"{('red', 'blue', 'green')[n % 3]},{n}.5,p{n % 4},{n % 2}\n" for n in range(12)
)


def test_names_become_columns_of_zero_and_one_in_both_formats():
    found = from_csv(COLOURS, categorical=("colour",), group="patient")
    assert found.feature_names == ("colour=blue", "colour=green", "colour=red", "size")
    assert found.features[:3, :3].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert found.groups.tolist() == [n % 4 for n in range(12)]
    header, *lines = csv.reader(io.StringIO(COLOURS))
    columns = dict(zip(header, map(list, zip(*lines, strict=True)), strict=True))
    columns |= {"size": [float(value) for value in columns["size"]], "y": [int(value) for value in columns["y"]]}
    again = from_columns(columns, categorical=("colour",), group="patient")
    assert again.digest == found.digest
    assert again.groups.tolist() == found.groups.tolist()


def test_two_names_need_one_column():
    text = COLOURS.replace("green", "red")
    assert from_csv(text, categorical=("colour",), exclude=("patient",)).feature_names == ("colour=red", "size")


def test_columns_can_be_excluded_from_files_and_bundled_sets():
    assert from_csv(COLOURS, exclude=("patient", "colour")).feature_names == ("size",)
    assert len(bundled("iris", exclude=("sepal_width_(cm)",)).feature_names) == 3


def test_a_file_without_header_has_numbered_columns():
    text = "".join(f"{n},{n * n},{n % 2}\n" for n in range(8))
    found = from_csv(text, target="column_3", header=False)
    assert (found.rows, found.feature_names) == (8, ("column_1", "column_2"))
    with pytest.raises(InvalidInput, match="the first line holds numbers") as error:
        from_csv(text, target="column_3")
    assert (error.value.line, error.value.field) == (1, "dataset.header")
    with pytest.raises(InvalidInput, match="not a finite number") as error:
        from_csv(text.replace("7,49", "7,x"), target="column_3", header=False)
    assert error.value.line == 8


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"exclude": ("color",)}, "dataset.exclude", "Did you mean 'colour'"),
        ({"categorical": ("color",)}, "dataset.categorical", "Did you mean 'colour'"),
        ({"group": "patients"}, "dataset.group", "Did you mean 'patient'"),
        ({"time": "siz"}, "dataset.time", "Did you mean 'size'"),
        ({}, "dataset.features", "dataset.categorical"),
        ({"features": ("size",), "categorical": ("colour",)}, "dataset.categorical", "Add it to dataset.features"),
    ],
)
def test_wrong_columns_are_named_with_their_field_and_remedy(fields, field, words):
    with pytest.raises(InvalidInput) as error:
        from_csv(COLOURS, **fields)
    assert error.value.field == field
    assert words in error.value.remedy


def test_too_many_names_are_no_categories():
    text = "name,y\n" + "".join(f"n{n},{n % 2}\n" for n in range(60))
    with pytest.raises(InvalidInput, match="60 different names") as error:
        from_csv(text, categorical=("name",))
    assert error.value.field == "dataset.categorical"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"exclude": ("a",), "features": ("b",)}, "exclude"),
        ({"exclude": ("y",)}, "exclude"),
        ({"categorical": ("y",)}, "categorical"),
        ({"group": "y"}, "group"),
        ({"group": "a", "features": ("a", "b")}, "group"),
        ({"time": "y"}, "time"),
        ({"time": "a", "features": ("a", "b")}, "time"),
        ({"time": "a", "group": "b"}, "time"),
        ({"source": "sklearn:iris", "target": None, "time": "a"}, "time"),
        ({"exclude": ("a",), "categorical": ("a",)}, "categorical"),
        ({"source": "sklearn:iris", "target": None, "header": False}, "header"),
    ],
)
def test_contradictions_in_a_specification_are_refused(fields, field):
    with pytest.raises(ValidationError) as error:
        DatasetSpec(**{"source": "rows.csv", "target": "y", **fields})
    assert error.value.errors()[0]["ctx"]["field"] == field


def test_a_specification_that_sets_none_of_the_later_fields_is_written_as_before():
    assert set(DatasetSpec(source="rows.csv", target="y").model_dump(mode="json")) == {
        "source",
        "target",
        "features",
        "classes",
    }
    assert DatasetSpec(source="rows.csv", target="y", group="p").model_dump(mode="json")["group"] == "p"


@pytest.mark.parametrize(
    "days",
    [
        ["2026-03-01", "2025-12-24", "2026-01-31", "2025-12-24"],
        ["2026-03-01T00:00:01", "2025-12-24T10:00", "2025-12-24T10:01:00", "2025-12-24 10:00:00"],
        ["2026-03-01T01:00+01:00", "2026-02-28T23:00Z", "2026-02-28T23:30Z", "2026-03-01T00:00+01:00"],
        ["10", "-2", "9.5", "-2.0"],
    ],
)
def test_rows_are_ordered_by_time_and_not_by_spelling(days):
    text = "day,size,y\n" + "".join(f"{days[n % 4]},{n},{n // 4 % 2}\n" for n in range(16))
    found = from_csv(text, time="day")
    assert found.feature_names == ("size",)
    assert found.times[:4].tolist() == [2, 0, 1, 0]


def test_times_of_a_parquet_file_are_those_of_the_same_text():
    days = [datetime.fromisoformat("2026-01-01") + timedelta(days=n * n % 7) for n in range(12)]
    numbers = {"size": [float(n) for n in range(12)], "y": [n % 2 for n in range(12)]}
    text = "day,size,y\n" + "".join(f"{day.isoformat()},{n},{n % 2}\n" for n, day in enumerate(days))
    in_text = from_csv(text, time="day")
    assert from_columns({"day": days, **numbers}, time="day").times.tolist() == in_text.times.tolist()
    assert (
        from_columns({"day": [day.date() for day in days], **numbers}, time="day").times.tolist()
        == in_text.times.tolist()
    )


@pytest.mark.parametrize(
    ("cell", "words", "line"),
    [("30.11.2026", "neither a number nor a date", 4), ("2026-01-01T00:00Z", "have a time zone", None)],
)
def test_a_time_that_cannot_be_ordered_is_named(cell, words, line):
    rows = [f"2026-01-{n + 1:02},{n},{n % 2}" for n in range(8)]
    rows[2] = f"{cell},2,0"
    with pytest.raises(InvalidInput, match=words) as error:
        from_csv("day,size,y\n" + "\n".join(rows), time="day")
    assert (error.value.line, error.value.field) == (line, "dataset.time")
