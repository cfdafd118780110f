"""Bodies: what is taken can be written back as JSON, and whatever is sent ends in a value or in a refusal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.service.intake.json_bodies import read_object, validated
from qhybrid_pipelines.service.problem_documents import ProblemError, as_sentence
from qhybrid_pipelines.service.webhooks.response_models import NewEndpoint

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


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is not JSON: it is empty."),
        (b"{'a': 1}", "The body is not JSON: expecting property name enclosed in double quotes at line 1, column 2."),
        (b'{"a": NaN}', "The body is not JSON: NaN is not a JSON number."),
        (b"[]", "The body is not a JSON object."),
        (b'{"a": 1, "a": 2}', "The body is not JSON: the field 'a' is given twice."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(body, detail):
    with pytest.raises(ProblemError) as error:
        read_object(body)
    assert error.value.problem.document(instance="/", correlation_id="c")["detail"] == detail


@pytest.mark.parametrize(
    ("fields", "field", "detail"),
    [
        ({}, "url", "This field is missing."),
        ({"url": "https://example.org", "event": "x"}, "event", "Unknown field."),
        ({"url": 3}, "url", "This must be text (given: 3)."),
    ],
)
def test_a_field_that_is_wrong_is_named_in_plain_words(fields, field, detail):
    with pytest.raises(ProblemError) as error:
        validated(NewEndpoint, fields)
    found = error.value.problem.document(instance="/", correlation_id="c")
    assert (found["field"], found["detail"]) == (field, detail)


def test_a_first_word_that_is_a_name_stays_as_it_is():
    assert as_sentence("local:auto is not there") == "local:auto is not there."
    assert as_sentence("index 9 is outside 1 to 3") == "Index 9 is outside 1 to 3."
    assert as_sentence("There is room.") == "There is room."
