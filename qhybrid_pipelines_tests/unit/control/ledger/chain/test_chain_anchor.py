"""The link that is noted outside the ledger: written whole, moved forward only, and kept where the ledger lacks it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.ledger.chain.chain_anchor import advance, explain_missing, read_link, write_link
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch

LINK = ChainHead(position=7, hash="ab" * 32)


def test_a_link_is_read_back_and_says_when_it_was_noted(tmp_path) -> None:
    path = tmp_path / "link.json"
    write_link(path, LINK, now=NOON)
    assert read_link(path) == LINK
    assert json.loads(path.read_text()) == {"position": 7, "hash": "ab" * 32, "noted_at": NOON.isoformat()}


def test_there_may_be_no_note(tmp_path) -> None:
    assert read_link(tmp_path / "link.json") is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"position": 7}', '{"hash": "ab"}', '{"position": "x", "hash": "ab"}']
)
def test_a_note_that_cannot_be_read_is_not_taken_for_none(tmp_path, text) -> None:
    path = tmp_path / "link.json"
    path.write_text(text)
    with pytest.raises(CorruptFile, match="chain of events cannot be read"):
        read_link(path)


def test_the_note_follows_the_ledger(dispatcher, ledger, tmp_path) -> None:
    path = tmp_path / "a folder" / "of its own" / "link.json"
    for seed in (10, 20):
        dispatcher.submit(make_batch(seed=seed), SUBMIT_REQUEST)
        assert advance(path, ledger, now=NOON) is True
        assert read_link(path) == ledger.head()
    written = path.read_text()
    assert advance(path, ledger, now=NOON + timedelta(hours=1)) is True
    assert path.read_text() == written, "nothing new is nothing to note"


@pytest.mark.parametrize("ahead", [0, 5])
def test_a_link_that_the_ledger_lacks_stays(dispatcher, ledger, tmp_path, ahead) -> None:
    path = tmp_path / "link.json"
    dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    lacking = ChainHead(position=ledger.head().position + ahead, hash="cd" * 32)
    write_link(path, lacking, now=NOON)
    assert advance(path, ledger, now=NOON) is False
    assert read_link(path) == lacking


def test_what_is_missing_is_said_by_how_far_the_ledger_goes() -> None:
    noted = "event 7 (abababababab) was noted outside the ledger and is not in it: "
    assert explain_missing(LINK, ChainHead(position=6, hash="0" * 64)) == (
        f"{noted}the ledger ends at event 6, so its end was cut off, or it is an older copy or another ledger"
    )
    replaced = f"{noted}events were replaced, or it is another ledger"
    assert explain_missing(LINK, ChainHead(position=7, hash="0" * 64)) == replaced
    assert explain_missing(LINK, ChainHead(position=8, hash="0" * 64)) == replaced
