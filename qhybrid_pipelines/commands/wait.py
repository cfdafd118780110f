"""``qhybrid wait``: wait until the HTTP service reports a verdict, or an event of a job; for scripts and CI."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from qhybrid_pipelines.commands.common import AsJson, echo
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed

if TYPE_CHECKING:
    import httpx

URL_VARIABLE, KEY_VARIABLE = "QHYBRID_SERVICE_URL", "QHYBRID_SERVICE_KEY"
DEFAULT_URL = "http://127.0.0.1:8800"
DECIDED = "decided"
#: Seconds between two requests, and how long one may take.
POLL_SECONDS, ANSWER_SECONDS = 1.0, 30.0
#: What may pass by itself: too much to do, starting, or something in between that is away.
_PASSING = frozenset({429, 500, 502, 503, 504})


def wait(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of an experiment, as the service has given it.")],
    goal: Annotated[
        str, typer.Option("--for", metavar="EVENT", help="An event of its jobs, such as JobCompleted; or decided.")
    ] = DECIDED,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Give up after so long.")] = 3600.0,
    url: Annotated[
        str, typer.Option("--url", help="Of the service.", envvar=URL_VARIABLE, show_envvar=True)
    ] = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Wait until an experiment is decided, or the first job of it has an event; the key of the caller is QHYBRID_SERVICE_KEY.

    Exit code 0 when it came to that, 3 when the time is up or it is decided without such an event.
    """
    import httpx

    if not 0 < timeout < float("inf"):
        raise InvalidInput(f"{timeout} is not a time", remedy="Give seconds above 0.", field="--timeout")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise InvalidInput(f"{url[:80]!r} is not an address", remedy="Write http://HOST:PORT.", field="--url")
    token = os.environ.get(KEY_VARIABLE)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    until = time.monotonic() + timeout
    with httpx.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as client:
        found = _wait(client, key, goal, until)
    if as_json:
        from qhybrid_pipelines.terminal import print_json

        print_json(found)
        return
    echo(f"{key} is decided." if goal == DECIDED else f"{found['job']}: {found['type']} at {found['at']}")


def _wait(client: httpx.Client, key: str, goal: str, until: float) -> dict[str, Any]:
    """Return the event, or the experiment once it is decided.

    Raises:
        JobFailed: the time is over, or it is decided without the event.
    """
    position = 0
    while True:
        # The state first: what has happened by then is among the events that are asked for after it.
        experiment = _get(client, f"/v1/experiments/{quote(key, safe='')}", {}, until)
        if goal == DECIDED:
            if experiment["state"] == DECIDED:
                return experiment
        else:
            more = True
            while more:
                query = {"after": position, "type": goal, "experiment": key, "limit": 200}
                page = _get(client, "/v1/events", query, until)
                if page["items"]:
                    first: dict[str, Any] = page["items"][0]
                    return first
                position, more = page["position"], page["next"] is not None
            if experiment["state"] == DECIDED:
                raise JobFailed(
                    f"{key} is decided, and no job of it had {goal}. Look at its jobs: {experiment['jobs']}"
                )
        if experiment["state"] == "refused":
            raise JobFailed(f"{key} could not be registered: {experiment['reason']}")
        _pause(POLL_SECONDS, until, f"{key} is {experiment['state']}: {experiment['reason']}")


def _get(client: httpx.Client, path: str, query: dict[str, Any], until: float) -> dict[str, Any]:
    """Return what the service answers; what may pass by itself is asked again.

    Raises:
        InvalidInput: it refuses the question.
        JobFailed: the time is over.
    """
    import httpx

    told = False
    while True:
        try:
            answer = client.get(path, params=query)
        except httpx.TransportError as error:
            seconds, said = 2.0, f"the service cannot be reached ({type(error).__name__})"
            if not told:  # who has mistyped the address must not sit in silence until the time is over
                echo(f"{said} at {client.base_url}; it is tried again. Start it with `qhybrid serve`.", err=True)
                told = True
        else:
            if answer.status_code == httpx.codes.OK:
                found: dict[str, Any] = answer.json()
                return found
            said, remedy, field = _said(answer)
            if answer.status_code not in _PASSING:
                raise InvalidInput(f"the service refuses: {said}", remedy=remedy, field=field)
            seconds = _retry_seconds(answer)
        _pause(seconds, until, said)


def _said(answer: httpx.Response) -> tuple[str, str, str | None]:
    """Return what a problem document says, and what to do about it."""
    try:
        fields = answer.json()
        return str(fields["detail"]), str(fields["remedy"]), fields.get("field")
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}", "Check the address of the service.", None


def _retry_seconds(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() and len(text) < 4 else 2.0


def _pause(seconds: float, until: float, why: str) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise JobFailed(f"the time is up: {why}")
    time.sleep(min(seconds, left))
