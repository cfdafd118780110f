"""Bodies: what is taken can be written back as JSON, and whatever is sent ends in a value or in a refusal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.service.json_bodies import read_object
from qhybrid_pipelines.service.problem_documents import ProblemError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_an_object_is_read_as_it_was_written(value):
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a half of a surrogate pair
        with pytest.raises(ProblemError):
            read_object(json.dumps(value).encode())
        return
    assert read_object(text) == value
    assert read_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused(body):
    statuses: list[int] = []
    try:
        json.dumps(read_object(body), allow_nan=False).encode()
    except ProblemError as error:
        statuses.append(error.problem.status)
    assert statuses in ([], [400], [422])


@given(st.integers(1, 40))
def test_depth_is_bounded(depth):
    body = b'{"a":' * depth + b"1" + b"}" * depth
    if depth <= 20:
        read_object(body)
    else:
        with pytest.raises(ProblemError, match="levels deep"):
            read_object(body)
