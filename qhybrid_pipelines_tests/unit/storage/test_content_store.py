import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home


@pytest.fixture
def store(tmp_path):
    return RawStore(Home(tmp_path).raw)


@settings(deadline=None, max_examples=20)
@given(content=st.binary(max_size=300))
def test_put_then_get(tmp_path_factory, content):
    store = RawStore(tmp_path_factory.mktemp("raw") / "raw")
    digest = store.put(content)
    assert store.put(content) == digest
    assert store.get(digest) == content
    assert digest in store


def test_nothing_unfinished_is_left(store):
    store.put(b"answer")
    assert [p.name for p in store.folder.parent.rglob("*") if p.is_file()] == [store.put(b"answer")]


def test_changed_bytes_are_refused_and_a_second_put_mends_them(store):
    digest = store.put(b"answer")
    (store.folder / digest).write_bytes(b"other")
    with pytest.raises(CorruptFile, match="SHA-256"):
        store.get(digest)
    store.put(b"answer")
    assert store.get(digest) == b"answer"


def test_what_is_missing_is_named(store):
    with pytest.raises(CorruptFile, match="missing"):
        store.get("0" * 64)
    assert "0" * 64 not in store


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_a_name_that_is_no_hash_reaches_no_file(store, digest):
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.get(digest)
