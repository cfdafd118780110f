"""Searching IBM's list of jobs for tokens, page by page.

Jobs carry tags: the token, one that all of ours have, and one that names the home. The list is read until the service has
shown as many jobs as it says there are. A page with fewer jobs than were asked for may come from a service that gives fewer,
an entry that cannot be read ends nothing, and a list that ends too early says nothing about what is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, ListedJob, TokenListing
from qhybrid_pipelines.execution.http.authorised_client import Params
from qhybrid_pipelines.execution.ibm.client import NAME

#: Tags in addition to the token: what all our jobs have, so that one listing shows them, and what names the home.
OWN_TAG, HOME_TAG = "qhybrid", "qhybrid-home-"
_TOKEN = re.compile(r"[0-9a-f]{32}")
#: Pages that a search reads before each token is asked for by itself, and jobs that are asked for with each page.
MAX_PAGES, PAGE_JOBS = 50, 200

#: Asks for one page, given the parameters; returns the answer, a JSON object.
Ask = Callable[[Params], dict[str, Any]]


@dataclass(slots=True)
class _Search:
    """What the pages of one search have shown.

    Attributes:
        jobs: by token, with when each was created and its id.
        labelled: further jobs that name a home, by their token.
        listed: ids of all jobs of the backend.
        is_whole: the list has shown what it says that it has.
    """

    jobs: dict[str, list[tuple[str, str, ListedJob]]] = field(default_factory=dict)
    labelled: dict[str, tuple[ListedJob, ...]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    is_whole: bool = False


def list_tokens(ask: Ask, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()) -> TokenListing:
    """Return the listed jobs that carry some tokens: one request per 200 of our jobs on the backend, for all tokens together.

    Args:
        ask: asks for a page.
        backend: full name, also of a device that the settings do not name any more.
        tokens: that are looked for.
        known_jobs: ids of jobs that were accepted before.

    Raises:
        Unavailable: the list has a different form from the published one, or ends too early.
        ProviderError: no usable answer.
    """
    search = _search(ask, backend, set(tokens), tag=OWN_TAG)
    # In doubt, what an older program sent counts too: its only tag was the token. So does what lies behind the last page.
    if known_jobs or not search.is_whole:
        for token in sorted(set(tokens) - set(search.jobs)):
            search.jobs |= _search_one(ask, backend, token).jobs
    return TokenListing(
        jobs={token: tuple(job for *_, job in sorted(found, key=_age)) for token, found in search.jobs.items()},
        known=frozenset(search.listed & set(known_jobs)),
        labelled=search.labelled,
    )


def find(ask: Ask, backend: str, token: str) -> JobRef | None:
    """Return the job that carries a token, the oldest if there are several; None if none is listed. Raises as `list_tokens`."""
    found = _search_one(ask, backend, token).jobs.get(token)
    return min(found, key=_age)[2].ref if found else None


def _search_one(ask: Ask, backend: str, token: str) -> _Search:
    search = _search(ask, backend, {token}, tag=token)
    if not search.jobs and not search.is_whole:
        raise Unavailable("the list of jobs ends before all of them were shown, so it says nothing about the others")
    return search


def _search(ask: Ask, backend: str, tokens: set[str], *, tag: str) -> _Search:
    """Read pages, newest jobs first, until the list ends.

    Tags are compared here too: a service that ignores a filter it does not know would hand out a stranger's job.
    """
    name, search, offset = backend.removeprefix(f"{NAME}:"), _Search(), 0
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        answer = ask(
            [
                *(("tags", tag), ("backend", name), ("exclude_params", "true"), ("limit", str(PAGE_JOBS))),
                *(("sort", "DESC"), *([("offset", str(offset))] if offset else [])),
            ]
        )
        page, count = answer.get("jobs"), answer.get("count")
        if not isinstance(page, list):
            raise Unavailable("the list of jobs has a different form from the published one")
        new = {_identity(entry): entry for entry in page if _identity(entry) not in seen}
        seen |= set(new)
        for entry in new.values():
            _read_entry(entry, search, tokens, backend=backend)
        offset += len(page)
        search.is_whole = count <= len(seen) if isinstance(count, int) else not new
        # A service that does not know of offsets gives the same page again.
        if not new or (search.is_whole and len(page) < PAGE_JOBS):
            break
    return search


def _identity(entry: Any) -> str:
    """Return what tells an entry from others: a job that moves to the next page while it changes is the same one."""
    has_id = isinstance(entry, dict) and isinstance(entry.get("id"), str)
    return f"id {entry['id']}" if has_id else repr(entry)


def _read_entry(entry: Any, search: _Search, tokens: set[str], *, backend: str) -> None:
    """Add one job of a page; an odd entry hides no other."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return
    if entry.get("backend") != backend.removeprefix(f"{NAME}:"):
        return
    tags = {tag for tag in entry.get("tags") or () if isinstance(tag, str)}
    search.listed.add(entry["id"])
    ref = JobRef(provider=NAME, backend=backend, provider_job_id=entry["id"])
    home_id = next((tag.removeprefix(HOME_TAG) for tag in sorted(tags) if tag.startswith(HOME_TAG)), "")
    job = ListedJob(ref=ref, home_id=home_id)
    for token in tokens & tags:
        search.jobs.setdefault(token, []).append((str(entry.get("created") or ""), entry["id"], job))
    if home_id and not tokens & tags:
        search.labelled |= {tag: (*search.labelled.get(tag, ()), job) for tag in tags if _TOKEN.fullmatch(tag)}


def _age(found: tuple[str, str, ListedJob]) -> tuple[str, str]:
    return found[:2]
