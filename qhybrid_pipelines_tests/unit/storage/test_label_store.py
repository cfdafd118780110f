"""The store of labels: what is not named stays, what cannot be read is said, and never stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.specifications.labels import Labels
from qhybrid_pipelines.storage.label_store import LabelStore, read_labels
from qhybrid_pipelines.storage.layout import Home

KEY = "cube-0123abcd"


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    return LabelStore(Home(tmp_path / "home").make())


def test_what_is_not_named_stays(store: LabelStore) -> None:
    assert store.read(KEY) == Labels()
    assert store.labelled() == ()
    store.change(KEY, owner="ada", tags=("a",))
    store.change(KEY, archived=True)
    assert store.change(KEY, tags=("b", "c")) == Labels(owner="ada", tags=("b", "c"), archived=True)
    assert store.read(KEY) == Labels(owner="ada", tags=("b", "c"), archived=True)
    assert store.labelled() == (KEY,)


def test_nothing_is_written_where_nothing_changes(store: LabelStore) -> None:
    store.change(KEY, owner="ada")
    before = store.changed_ns()
    store.change(KEY, owner="ada")
    store.change(KEY)
    assert store.changed_ns() == before


@pytest.mark.parametrize("content", ["", "[]", '{"owner": "ada"}', '{"owner": null, "tags": 7, "archived": false}'])
def test_a_damaged_file_is_named_and_stands_in_nobodys_way(store: LabelStore, content: str) -> None:
    store.change(KEY, owner="ada")
    [path] = store.home.labels.iterdir()
    path.write_text(content)
    with pytest.raises(CorruptFile, match=path.name):
        store.read(KEY)
    assert read_labels(store.home, KEY) == Labels()


def test_a_key_leads_nowhere_else(store: LabelStore) -> None:
    with pytest.raises(InvalidInput, match="not an experiment key"):
        store.change("../../etc/passwd", owner="ada")
