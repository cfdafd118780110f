"""The processes that check: what is too much ends one of them, costs its sender the refusal, and nobody else anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.service.intake.checkers import Checkers, Limits
from qhybrid_pipelines.service.intake.network_request import NetworkRequest
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.storage.layout import Home

pytestmark = pytest.mark.slow


def request(source: object = "networkx:bull", family: str = "maxcut", **fields: object) -> NetworkRequest:
    return NetworkRequest(
        specification={"name": "x", "problem": {"family": family, "source": source}, **fields}, files={}
    )


def heavy(seed: int) -> NetworkRequest:
    return request({"generator": "erdos_renyi", "nodes": 2000, "probability": 1.0, "seed": seed})


@pytest.fixture
def checkers(tmp_path: Path):
    made = Checkers(Home(tmp_path).make().path, ("local:auto",), Limits(cpu_seconds=1.0, processes=1, most_waiting=3))
    made.warm("check")
    yield made
    made.close()


def test_the_key_is_that_of_the_specification(checkers):
    asked = request(shots=77)
    found = checkers.check(asked)
    assert found["experiment"] == experiment_key(ExperimentSpec.model_validate(asked.specification))


def test_time_and_memory_are_bounded_and_the_next_is_answered(checkers):
    for seed in range(3):
        with pytest.raises(ProblemError, match="more than 1 s of processor time"):
            checkers.check(heavy(seed))
        assert checkers.check(request(seed=seed))["experiment"]
    assert checkers.lost == 3


def test_memory_alone_ends_it_too(tmp_path):
    limits = Limits(cpu_seconds=60.0, memory_bytes=64 * 2**20, processes=1)
    checkers = Checkers(Home(tmp_path).make().path, ("local:auto",), limits)
    try:
        with pytest.raises(ProblemError) as refused:
            checkers.check(heavy(1))
        assert refused.value.problem.status == 422
    finally:
        checkers.close()


def test_equal_requests_are_checked_once_and_refusals_are_not_kept(checkers):
    first = checkers.check(request(seed=5))
    assert checkers.check(request(seed=5)) is first
    for _ in range(2):
        with pytest.raises(ProblemError, match="no bundled graph"):
            checkers.check(request("networkx:nothing"))


def test_too_many_that_wait_are_refused_at_once(checkers):
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda seed: outcome(checkers, heavy(seed)), range(100, 112)))
    assert set(done) == {"invalid-input", "overloaded"}
    assert done.count("overloaded") >= 6
    assert checkers.check(request(seed=9))


def outcome(checkers: Checkers, asked: NetworkRequest) -> str:
    with pytest.raises(ProblemError) as refused:
        checkers.check(asked)
    return refused.value.problem.code
