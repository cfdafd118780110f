"""Errors say what, where and what to do, as a sentence and in parts."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.core import errors
from qhybrid_pipelines.core.errors import InvalidInput


def test_a_message_has_place_problem_and_remedy():
    error = InvalidInput("it is wrong.", remedy="Do better.", file="a.mc", line=3, field="problem.source")
    assert str(error) == "a.mc, line 3, field 'problem.source': it is wrong. Do better."
    assert error.details() == {
        "error": "InvalidInput",
        "problem": "it is wrong.",
        "remedy": "Do better.",
        "file": "a.mc",
        "line": 3,
        "field": "problem.source",
    }


def test_a_place_that_is_known_is_not_replaced():
    known = InvalidInput("p", remedy="R.", file="a.mc", line=3)
    assert str(known.at(file="b.yaml", line=9, field="name")) == "a.mc, line 3, field 'name': p. R."
    assert str(InvalidInput("p", remedy="R.")) == "p. R."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("p", remedy="r"), 2),
        (errors.Refused("no"), 4),
        (errors.JobFailed("no"), 3),
        (errors.CorruptResult("no"), 3),
        (errors.MissingUpstream("reduced_models", "x-00000000"), 3),
        (errors.NotDecided("decisions", "local:auto|x-00000000"), 3),
        (errors.CorruptFile("a.parquet", "cut off", remedy="Write it again."), 3),
        (errors.IllegalTransition("no"), 1),
        (errors.Throttled("later"), 3),
    ],
)
def test_every_error_has_its_exit_code_and_goes_into_json(error, code):
    assert error.exit_code == code
    assert json.loads(json.dumps(error.details()))["error"] == type(error).__name__


def test_only_what_may_help_is_retried():
    retryable = {kind.__name__ for kind in errors.ProviderError.__subclasses__() if kind.retryable}
    assert retryable == {"Throttled", "Unavailable"}


def test_a_providers_error_names_the_call_that_failed_and_the_innermost_one_counts():
    error = errors.Throttled("too many requests", retry_after_seconds=3.0)
    assert str(error) == "too many requests"
    error.add_call("ionq", "submit")
    error.add_call("chaos", "poll")
    assert (str(error), error.provider, error.phase) == ("ionq: submit failed: too many requests", "ionq", "submit")
    assert error.details() == {"error": "Throttled", "message": "ionq: submit failed: too many requests"}
