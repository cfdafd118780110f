"""A token is found wherever in the list its job is; a list that ends too early says nothing about a token that is not in it."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ibm import job_listing
from qhybrid_pipelines.execution.ibm.job_listing import OWN_TAG, PAGE_JOBS
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.ibm_double import cloud_in_environment

BACKEND = "ibm:ibm_manila"
TOKEN = "5" * 32


@pytest.fixture
def cloud(monkeypatch):
    with cloud_in_environment(monkeypatch, "ibm_manila") as cloud:
        yield cloud


@pytest.fixture
def provider(cloud, tmp_path):
    return IbmProvider(tmp_path)


def accept(cloud, *, tags=(), times=1) -> str:
    body = {"backend": "ibm_manila", "program_id": "sampler", "tags": [OWN_TAG, *tags]}
    return [cloud.accept(json.dumps(body).encode()) for _ in range(times)][-1]


def listings(cloud) -> int:
    return sum(method == "GET" and path.partition("?")[0].endswith("/jobs") for method, path, _ in cloud.requests)


def found(provider, **options) -> str | None:
    jobs = provider.list_tokens(BACKEND, [TOKEN], **options).jobs.get(TOKEN, ())
    return jobs[0].ref.provider_job_id if jobs else None


@pytest.mark.parametrize("page_jobs", [200, 100, 7])
def test_an_old_job_is_found_however_few_jobs_a_page_has(cloud, provider, page_jobs):
    cloud.max_page_jobs = page_jobs
    ours = accept(cloud, tags=[TOKEN])
    accept(cloud, times=230)
    assert found(provider) == ours
    assert listings(cloud) == -(-231 // page_jobs)


@pytest.mark.parametrize("odd", [None, 7, {"id": 7, "backend": "ibm_manila"}, {"id": "x", "backend": "another"}])
def test_an_odd_entry_of_a_full_page_hides_no_other_page(cloud, provider, monkeypatch, odd):
    ours = accept(cloud, tags=[TOKEN])
    accept(cloud, times=PAGE_JOBS)
    monkeypatch.setattr(cloud, "listed", lambda page: [*page[:-1], odd] if len(page) == PAGE_JOBS else page)
    assert found(provider) == ours


def test_a_job_behind_the_last_page_is_asked_for_by_itself(cloud, provider, monkeypatch):
    monkeypatch.setattr(job_listing, "MAX_PAGES", 2)
    ours = accept(cloud, tags=[TOKEN])
    accept(cloud, times=2 * PAGE_JOBS)
    assert found(provider) == ours
    assert listings(cloud) == 3


@pytest.mark.parametrize("known", [(), ("d" + "0" * 19,)], ids=["before the first submission", "in doubt"])
def test_a_list_that_shows_fewer_jobs_than_it_has_is_not_believed(cloud, provider, monkeypatch, known):
    accept(cloud, times=3)
    accept(cloud, tags=[TOKEN])
    monkeypatch.setattr(cloud, "listed", lambda page: page[len(page) :])
    with pytest.raises(Unavailable, match="ends before all of them were shown"):
        found(provider, known_jobs=known)
    with pytest.raises(Unavailable, match="ends before all of them were shown"):
        provider.find(BACKEND, TOKEN)


def test_a_token_that_is_not_there_costs_one_request(cloud, provider):
    accept(cloud, times=5)
    assert found(provider) is None
    assert listings(cloud) == 1


def test_a_job_that_moves_on_while_pages_are_read_is_one(cloud, provider, monkeypatch):
    ours = accept(cloud, tags=[TOKEN])
    accept(cloud, times=PAGE_JOBS - 1)
    shown = []

    def one_more(page):
        if not shown:
            accept(cloud)  # pushes the oldest one to the next page, where it stands in another state
            cloud.jobs[ours]["state"] = {"status": "Running"}
        shown.append(page)
        return page

    monkeypatch.setattr(cloud, "listed", one_more)
    listing = provider.list_tokens(BACKEND, [TOKEN])
    assert [job.ref.provider_job_id for job in listing.jobs[TOKEN]] == [ours]
    assert [len(page) for page in shown] == [200, 1]


def test_what_is_submitted_is_found(cloud, provider):
    batch, _ = canary_batch("batch", width=4, qubit=1, backend=BACKEND, repetitions=2)
    ours = provider.submit(batch, TOKEN).provider_job_id
    cloud.max_page_jobs = 1
    accept(cloud, times=3)
    assert found(provider) == ours
