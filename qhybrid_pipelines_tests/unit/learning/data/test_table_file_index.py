"""The index of a data frame is never a feature, and names are the same however their letters are stored."""

from __future__ import annotations

import io
import unicodedata

import numpy as np
import pandas as pd
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.learning.data.load_dataset import load_dataset

FRAME = pd.DataFrame({"height": np.arange(12.0) ** 2, "weight": np.arange(12.0) % 5, "label": [0] * 6 + [1] * 6})


def load_parquet(frame, **fields):
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return load_dataset(DatasetSpec(source="rows.parquet", **{"target": "label", **fields}), sink.getvalue())


def load_csv(text, **fields):
    return load_dataset(DatasetSpec(source="rows.csv", **{"target": "label", **fields}), text.encode())


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.drop(index=2),
        FRAME.set_index(pd.Index([3 * i for i in range(12)], name="patient")),
        FRAME.set_index(pd.MultiIndex.from_product([range(4), range(3)], names=[None, "visit"])),
        FRAME.set_index(pd.Index([3 * i for i in range(12)], name="index")),
        FRAME,
    ],
    ids=["a row dropped", "a named index", "two levels", "called index", "a range"],
)
def test_what_pandas_calls_the_index_is_not_a_feature(frame):
    assert load_parquet(frame).feature_names == ("height", "weight")


def test_an_index_that_a_person_lists_is_a_feature():
    frame = FRAME.set_index(pd.Index([30 + i * i for i in range(12)], name="age"))
    assert load_parquet(frame, features=["age", "height"]).feature_names == ("age", "height")


@pytest.mark.parametrize("name", ["index", "Unnamed: 0", "level_0", "__index_level_0__", "rownames", "row_nr"])
def test_the_usual_names_of_an_index_are_refused_where_no_metadata_say_so(name):
    text = FRAME.to_csv(index_label=name)
    with pytest.raises(InvalidInput, match="the name of a data frame's index") as caught:
        load_csv(text)
    assert (caught.value.line, caught.value.field) == (1, "dataset.features")
    assert load_csv(text, features=["height", "weight"]).feature_names == ("height", "weight")
    assert load_csv(text, features=[name, "weight"]).feature_names == (name, "weight")


def test_an_index_without_a_name_is_refused():
    with pytest.raises(InvalidInput, match="column 1 has no name"):
        load_csv(FRAME.to_csv())


def test_an_index_that_was_made_a_column_is_refused_too():
    with pytest.raises(InvalidInput, match="'index' has the name"):
        load_parquet(FRAME.drop(index=2).reset_index())


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_columns_and_labels_are_one_name(form):
    frame = FRAME.assign(label=["größe", "klein"] * 6)
    frame.loc[4:, "label"] = frame.loc[4:, "label"].map(lambda text: unicodedata.normalize("NFD", text))
    frame = frame.rename(columns={"height": unicodedata.normalize(form, "höhe")})
    fields = {"features": ["höhe"], "classes": ["größe", "klein"]}
    for found in (load_parquet(frame, **fields), load_csv(frame.to_csv(index=False), **fields)):
        assert found.feature_names == ("höhe",)
        assert sorted(found.class_names) == ["größe", "klein"]
