"""Cursors: whatever was given out is taken back, and nothing else is."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.service.routes import cursors


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=80))
def test_a_cursor_is_taken_back(text):
    assert cursors.decode(cursors.encode(text)) == text


@given(st.text(max_size=60))
def test_what_was_not_given_out_is_refused(text):
    statuses: list[int] = []
    try:
        found = cursors.decode(text)
    except ProblemError as error:
        statuses.append(error.problem.status)
    else:
        assert found == "" if not text else cursors.encode(found) == text
    assert statuses in ([], [400])


def test_the_next_page_keeps_its_filters():
    link = cursors.next_link("/v1/jobs", last="j-9 &x", limit=7, filters={"experiment": "a b", "tag": None})
    query = parse_qs(urlsplit(link).query)
    assert query.pop("cursor") == [cursors.encode("j-9 &x")]
    assert query == {"limit": ["7"], "experiment": ["a b"]}


@pytest.mark.parametrize("text", ["x", "=", "AA==", "é", "a b", "\x00", "AAAA"])
def test_some_that_were_not_given_out(text):
    with pytest.raises(ProblemError):
        cursors.decode(text)
