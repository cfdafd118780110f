"""Recordings keep a result byte for byte and are found by what decides it; replay decodes them as its provider does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.providers.replay import ReplayProvider
from qhybrid_pipelines.execution.recorded_results import batch_key, pack_recording, record_result, unpack_recording
from qhybrid_pipelines.execution.registry import build_providers

BATCH = canary_batch("batch", width=3, qubit=1, backend="local:aer-exact", repetitions=2)[0]
REPLAYED = replace(BATCH, backend="replay:local.aer-exact")


@pytest.fixture
def local(tmp_path):
    return LocalProvider(tmp_path / "local")


@pytest.fixture
def raw(local):
    return local.fetch(local.submit(BATCH, "a token"))


def test_a_recording_is_the_result_as_it_was_fetched(raw):
    assert unpack_recording(pack_recording(raw)) == raw
    assert pack_recording(raw).endswith(raw.content)


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-1], lambda c: c + b" ", lambda c: b"", lambda c: c.replace(b"{", b"[", 1)]
)
def test_a_spoilt_recording_is_refused(raw, spoil):
    with pytest.raises(CorruptResult):
        unpack_recording(spoil(pack_recording(raw)))


def test_replay_is_offered_only_where_something_was_recorded(local, raw, tmp_path):
    assert "replay" not in build_providers(tmp_path)
    record_result(tmp_path / "replay" / "recordings", BATCH, raw)
    replay = build_providers(tmp_path)["replay"]
    assert replay.backends() == ("replay:local.aer-exact",)
    ref = replay.submit(REPLAYED, "another token")
    again = replay.fetch(ref)
    assert replay.decode(again, REPLAYED).equals(local.decode(raw, BATCH))
    assert replay.details(again)["recorded_on"] == "local:aer-exact"
    assert replay.details(again)["engine"] == "aer-exact"


@pytest.mark.parametrize(
    "other",
    [
        replace(REPLAYED, shots=65),
        replace(REPLAYED, bindings=REPLAYED.bindings + 1e-15),
        replace(REPLAYED, seeds=REPLAYED.seeds + np.uint64(1)),
        replace(REPLAYED, bindings=REPLAYED.bindings[:1], seeds=REPLAYED.seeds[:1]),
        replace(REPLAYED, template=replace(REPLAYED.template, text=REPLAYED.template.text + "\n")),
    ],
    ids=["shots", "bindings", "seeds", "points", "template"],
)
def test_what_was_not_recorded_is_rejected(other, local, raw, tmp_path):
    record_result(tmp_path / "recordings", BATCH, raw)
    replay = ReplayProvider(tmp_path, {"local": local})
    with pytest.raises(Rejected, match="recorded"):
        replay.submit(other, "a token")


def test_a_result_whose_decoder_is_gone_is_refused(raw, tmp_path):
    record_result(tmp_path / "recordings", BATCH, raw)
    replay = ReplayProvider(tmp_path, {})
    kept = replay.fetch(replay.submit(REPLAYED, "a token"))
    with pytest.raises(CorruptResult, match="local"):
        replay.decode(kept, REPLAYED)


def test_the_key_is_of_the_batch_and_not_of_its_backend():
    assert batch_key(BATCH) == batch_key(replace(REPLAYED, experiment="another"))
