"""Which mapper the environment names, and what a part may send back."""

from __future__ import annotations

import os
import pickle

import pytest

from qhybrid_pipelines.core import errors
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed
from qhybrid_pipelines.parallel import mapper
from qhybrid_pipelines.parallel.cores import limited_cores, usable_cores
from qhybrid_pipelines.parallel.mapper import (
    PACKAGES,
    VARIABLE,
    PartResult,
    ThreadsMapper,
    WorkersUnavailable,
    chosen_mapper,
    own_release,
    work_on_part,
)


@pytest.fixture(autouse=True)
def fresh():
    mapper._make_mapper.cache_clear()
    yield
    mapper._make_mapper.cache_clear()


@pytest.mark.parametrize("text", [None, "", "threads"])
def test_without_a_word_parts_are_worked_on_here_in_their_order(monkeypatch, text):
    if text is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, text)
    chosen = chosen_mapper()
    assert isinstance(chosen, ThreadsMapper)
    assert chosen.workers == 0
    assert list(chosen.map(str, [3, 1, 2])) == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("dusk", "the mapper 'dusk' is not known", "dask"),
        ("Ray", "the mapper 'Ray' is not known", "ray"),
        ("threads:4", "'threads:4' names no cluster", "dask:ADDRESS"),
        ("dask:", "'dask:' names no cluster", "dask:tcp://10.0.0.5:8786"),
    ],
)
def test_a_wrong_word_is_refused_with_the_right_ones(monkeypatch, text, problem, remedy):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InvalidInput) as refused:
        chosen_mapper()
    assert refused.value.problem == problem
    assert remedy in refused.value.remedy
    assert str(refused.value).startswith(f"field '{VARIABLE}': ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_mapper_whose_extra_is_missing_names_it(monkeypatch, name):
    monkeypatch.setenv(VARIABLE, f"{name}:somewhere")
    monkeypatch.setattr(mapper, "find_spec", lambda _: None)
    with pytest.raises(InvalidInput, match=rf"pip install 'qhybrid-pipelines\[{name}\]'"):
        chosen_mapper()


def kinds(of: type[errors.QHybridError]) -> list[type[errors.QHybridError]]:
    return [of, *(kind for child in of.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", kinds(errors.QHybridError), ids=lambda kind: kind.__name__)
def test_every_error_of_ours_is_the_same_after_a_journey(kind):
    made = kind.__new__(kind)
    made.args, made.problem, made.seen, made.provider = ("what happened",), "what", (1, 2), ""
    made.message = "what happened"
    there = pickle.loads(pickle.dumps(made))
    assert (type(there), there.args, there.__dict__, str(there)) == (kind, made.args, made.__dict__, str(made))


def test_an_error_keeps_place_and_remedy():
    refused = InvalidInput("it is wrong", remedy="Mend it.", file="a.yaml", line=3, field="shots")
    assert pickle.loads(pickle.dumps(refused)).details() == refused.details()


def fail(part):
    raise JobFailed(f"part {part}")


def test_a_part_on_a_worker_has_one_core_and_sends_errors_of_ours_back_as_values():
    assert work_on_part(lambda part: (part, usable_cores()), 7, release=own_release()).unwrap() == (7, 1)
    answer = pickle.loads(pickle.dumps(work_on_part(fail, 7, release=own_release())))
    with pytest.raises(JobFailed, match="part 7"):
        answer.unwrap()
    assert PartResult(result=None, error=None).unwrap() is None


def test_a_worker_of_another_release_refuses():
    with pytest.raises(WorkersUnavailable, match=r"0\.0\.9"):
        work_on_part(str, 1, release="0.0.9").unwrap()


def test_a_limit_never_gives_more_cores_and_ends(monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    with limited_cores(4), limited_cores(2):
        assert usable_cores() == 2
    with limited_cores(40):
        assert usable_cores() == 6
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert usable_cores() == 3
