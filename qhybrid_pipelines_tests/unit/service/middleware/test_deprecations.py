"""A field that will go is announced in the description and in the answers that have it, in the forms of RFC 9745 and RFC 8594."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from qhybrid_pipelines.service.application import api, describe
from qhybrid_pipelines.service.middleware.deprecations import DEPRECATIONS, Deprecation, announcements
from qhybrid_pipelines.service.middleware.request_boundary import RequestBoundary
from qhybrid_pipelines.service.middleware.request_figures import RequestFigures

SINCE, SUNSET = datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 1, 1, 12, 30, tzinfo=UTC)


def going(body: str, field: str, *, since: datetime = SINCE, sunset: datetime = SUNSET) -> Deprecation:
    return Deprecation(body=body, field=field, since=since, sunset=sunset, successor="Read `state` instead.")


def ask(path: str, *deprecations: Deprecation) -> httpx.Response:
    """Ask a service that has no home; what needs none is answered."""
    routes = api(None, deprecations=deprecations)
    found = announcements(describe(routes, deprecations=deprecations), deprecations)
    whole = RequestBoundary(routes, RequestFigures(), None, found)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path)

    return asyncio.run(send())


def test_an_answer_with_such_a_field_says_when_it_goes():
    answer = ask("/livez", going("Health", "status"))
    assert answer.json() == {"status": "ok"}
    # A date of structured fields is "@" and the seconds since 1970 (RFC 9651, 3.3.7).
    assert answer.headers["deprecation"] == "@1782864000"
    assert datetime.fromtimestamp(int(answer.headers["deprecation"][1:]), UTC) == SINCE
    assert answer.headers["sunset"] == "Fri, 01 Jan 2027 12:30:00 GMT"
    assert parsedate_to_datetime(answer.headers["sunset"]) == SUNSET
    assert answer.links["deprecation"]["url"] == "/openapi.json"


def test_a_refusal_and_other_answers_say_nothing():
    for path, *fields in (("/livez", going("Job", "error")), ("/livez?x=1", going("Health", "status")), ("/livez",)):
        answer = ask(path, *fields)
        assert {"deprecation", "sunset", "link"}.isdisjoint(answer.headers), path


def test_the_description_says_so_too():
    field = ask("/openapi.json", going("Job", "error")).json()["components"]["schemas"]["Job"]["properties"]["error"]
    assert field["deprecated"] is True
    assert "2027-01-01" in field["description"]
    assert "Read `state` instead." in field["description"]
    unmarked = ask("/openapi.json").json()["components"]["schemas"]["Job"]["properties"]["error"]
    assert "deprecated" not in unmarked


def test_bodies_inside_bodies_count_and_the_earliest_date_is_told():
    later = datetime(2028, 1, 1, tzinfo=UTC)
    fields = (going("BackendState", "due"), going("ExperimentDetail", "reason", since=SUNSET, sunset=later))
    found = announcements(describe(api(None), deprecations=fields), fields)
    assert ("GET", "/v1/experiments/{key}") in found
    assert ("GET", "/v1/jobs") not in found
    assert ("GET", "/v1/experiments") not in found
    headers = dict(found["GET", "/v1/experiments/{key}"])
    assert (headers["deprecation"], headers["sunset"]) == ("@1782864000", "Fri, 01 Jan 2027 12:30:00 GMT")


def test_a_field_that_is_not_there_or_goes_unannounced_is_refused():
    for body, field in (("Job", "colour"), ("Nobody", "state")):
        with pytest.raises(LookupError, match=field):
            describe(api(None), deprecations=[going(body, field)])
    for since, sunset in ((SUNSET, SINCE), (SINCE, SINCE), (SINCE.replace(tzinfo=None), SUNSET)):
        with pytest.raises(ValueError, match="was announced"):
            going("Job", "error", since=since, sunset=sunset)


def test_what_is_announced_today_is_in_the_description():
    describe(api(None), deprecations=DEPRECATIONS)
