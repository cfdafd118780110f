"""A divided sweep has the counts of the whole one, to the byte, where an engine promises that; and only there."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import Rejected, Throttled
from qhybrid_pipelines.execution import chunks
from qhybrid_pipelines.execution.chunks import map_chunks, run_chunk
from qhybrid_pipelines.execution.counts import verify_counts
from qhybrid_pipelines.execution.engines.aer_sampler import AerSampler
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.execution.engines.engine import all_engines
from qhybrid_pipelines.execution.providers import local
from qhybrid_pipelines.parallel.mapper import ThreadsMapper, WorkersUnavailable, own_release, work_on_part
from qhybrid_pipelines_tests.support.sweeps import counts_sha256, random_sweep

POINTWISE = [engine for engine in all_engines() if engine.pointwise]


@dataclass
class Workers:
    """Workers without a network: what goes to them and comes back is pickled, and the last part is done first."""

    workers: int = 3
    name: str = "these"
    sent: list[object] = field(default_factory=list)

    def map(self, function, parts):
        self.sent.extend(parts)
        letters = [pickle.dumps((function, part)) for part in parts]
        answers = [pickle.dumps(work_on_part(*pickle.loads(letter), release=own_release())) for letter in letters[::-1]]
        return (pickle.loads(answer).unwrap() for answer in answers[::-1])


@pytest.fixture
def always_worth_it(monkeypatch):
    monkeypatch.setattr(chunks, "LEAST_AMPLITUDES", 1)


#: Every pointwise engine with each kind of circuit that it runs.
RUNS = [
    pytest.param(engine, kind, id=f"{engine.name}-{kind}")
    for engine in POINTWISE
    for kind in ("qaoa", "hardware_efficient")
    if engine.unsupported_reason(random_sweep(5, points=1, kind=kind)) is None
]


def test_every_engine_runs_a_kind():
    assert {run.values[0].name for run in RUNS} == {engine.name for engine in POINTWISE}


@pytest.mark.parametrize(("engine", "kind"), RUNS)
@pytest.mark.parametrize("n", [5, 14])  # from 14 qubits on, Aer's threads share one state
def test_counts_are_the_same_bytes_for_any_number_of_chunks(engine, kind, n):
    batch = random_sweep(n, points=24 if n == 5 else 7, kind=kind)
    whole = counts_sha256(engine.run(batch))
    for mapper, number in ((ThreadsMapper(), 7), (Workers(), 1), (Workers(), 24)):
        run = map_chunks(batch, engine, mapper, chunks=number)
        verify_counts(run.counts, batch)
        assert counts_sha256(run) == whole
        assert run.chunks == min(number, batch.points)


@settings(deadline=None, max_examples=8)
@given(points=st.integers(1, 40), number=st.integers(1, 50), cardinality=st.sampled_from([None, 3]))
def test_every_point_is_in_one_chunk(points, number, cardinality):
    batch = random_sweep(6, points=points, cardinality=cardinality, shots=16)
    divided = map_chunks(batch, DiagonalQaoa(), Workers(), chunks=number)
    assert counts_sha256(divided) == counts_sha256(DiagonalQaoa().run(batch))


def test_an_engine_whose_points_share_a_seed_is_never_divided_and_would_draw_other_shots(monkeypatch):
    batch, mapper = random_sweep(5, points=6), Workers()
    whole = AerSampler().run(batch)
    assert counts_sha256(map_chunks(batch, AerSampler(), mapper, chunks=3)) == counts_sha256(whole)
    assert mapper.sent == []
    monkeypatch.setattr(AerSampler, "pointwise", True)
    assert counts_sha256(map_chunks(batch, AerSampler(), mapper, chunks=3)) != counts_sha256(whole)


def test_a_small_sweep_and_a_single_point_stay_here(always_worth_it, monkeypatch):
    mapper = Workers()
    assert map_chunks(random_sweep(5, points=1), DiagonalQaoa(), mapper).chunks == 1
    assert map_chunks(random_sweep(5, points=30), DiagonalQaoa(), ThreadsMapper()).chunks == 1
    monkeypatch.setattr(chunks, "LEAST_AMPLITUDES", 30 << 6)
    assert map_chunks(random_sweep(5, points=30), DiagonalQaoa(), mapper).chunks == 1
    assert mapper.sent == []
    assert map_chunks(random_sweep(6, points=30), DiagonalQaoa(), mapper).chunks == 12


def test_a_worker_with_another_engine_refuses(always_worth_it):
    mapper = Workers()
    map_chunks(random_sweep(5, points=3), DiagonalQaoa(), mapper)
    with pytest.raises(WorkersUnavailable, match=r"diagonal-qaoa .* needs of-yesterday"):
        run_chunk(replace(mapper.sent[0], version="of-yesterday"))


def test_a_divided_sweep_is_one_job_of_the_provider_with_its_result_stored_once(tmp_path, monkeypatch, always_worth_it):
    batch, mapper = random_sweep(5, points=30), Workers()
    provider = local.build(tmp_path / "divided")
    monkeypatch.setattr(local, "chosen_mapper", lambda: mapper)
    ref = provider.submit(batch, "token")
    assert provider.submit(batch, "token") == ref
    assert len(mapper.sent) == 12
    assert len([path for path in (tmp_path / "divided").rglob("*") if path.is_file()]) == 1
    divided = provider.fetch(ref)
    assert {key: provider.details(divided)[key] for key in ("mapper", "chunks")} == {"mapper": "these", "chunks": 12}
    monkeypatch.undo()
    plain = local.build(tmp_path / "plain")
    whole = plain.fetch(plain.submit(batch, "token"))
    assert provider.decode(divided, batch).equals(plain.decode(whole, batch))
    assert "chunks" not in plain.details(whole)


class Gone(Workers):
    @property
    def workers(self):
        raise WorkersUnavailable("nobody answers", remedy="Start them.")

    @workers.setter
    def workers(self, _):
        pass


def test_an_engine_that_is_never_divided_needs_no_workers(always_worth_it):
    batch = random_sweep(5, points=6)
    assert counts_sha256(map_chunks(batch, AerSampler(), Gone())) == counts_sha256(AerSampler().run(batch))


def test_without_workers_nothing_is_stored_and_the_job_is_asked_for_again(tmp_path, monkeypatch, always_worth_it):
    batch, provider = random_sweep(5, points=30), local.build(tmp_path)
    monkeypatch.setattr(local, "chosen_mapper", Gone)
    with pytest.raises(Throttled, match="nobody answers") as gone:
        provider.submit(batch, "token")
    assert not gone.value.request_sent
    assert provider.find(batch.backend, "token") is None
    with pytest.raises(Rejected):
        provider.submit(replace(batch, backend="local:diagonal-qaoa", structure=None), "other")
