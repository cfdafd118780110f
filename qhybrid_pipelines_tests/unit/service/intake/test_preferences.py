"""``Prefer: wait=N`` as RFC 7240 writes it, and waiting that ends with its time, its outcome, or its client."""

from __future__ import annotations

import asyncio
import time

import pytest

from qhybrid_pipelines.service.intake.preferences import MOST_SECONDS, MOST_WAITING, Waiters, wanted_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        (("wait=5",), 5),
        (('wait="5"',), 5),
        (("Wait = 5",), 5),
        (("respond-async, wait=5",), 5),
        (("handling=lenient; foo=1, wait=7; x=y",), 7),
        (("return=minimal", "wait=3"), 3),
        (("wait=3, wait=9",), 3),
        (("wait=0",), 0),
        (("wait=3600",), MOST_SECONDS),
        (("wait=-1",), None),
        (("wait=soon",), None),
        (("wait",), None),
        (("await=5",), None),
        (("respond-async",), None),
        (("wait=99999999999999999999",), None),
    ],
)
def test_what_is_asked_for(headers, seconds):
    assert wanted_seconds(headers) == seconds


def answers(*each: bool):
    left = list(each)

    async def look() -> bool:
        return left.pop(0) if len(left) > 1 else left[0]

    return look


def waited(ended, *, seconds: float, gone=None) -> tuple[bool, float]:
    waiters, began = Waiters(), time.monotonic()
    found = asyncio.run(waiters.wait(ended, seconds=seconds, gone=gone or answers(False)))
    assert waiters.waiting == 0
    return found, time.monotonic() - began


def test_it_ends_with_what_it_waits_for_with_its_time_and_with_its_client():
    assert waited(answers(True), seconds=0)[0]
    assert waited(answers(False, False, True), seconds=60)[0]
    found, seconds = waited(answers(False), seconds=0.3)
    assert not found
    assert seconds >= 0.3
    assert not waited(answers(False), seconds=3600, gone=answers(False, True))[0]


def test_what_fails_waits_no_more():
    waiters = Waiters()

    async def fails() -> bool:
        raise OSError

    with pytest.raises(OSError):
        asyncio.run(waiters.wait(fails, seconds=1, gone=answers(False)))
    assert waiters.waiting == 0


def test_only_so_many_wait():
    waiters = Waiters()
    waiters.waiting = MOST_WAITING - 1
    assert waiters.has_room
    waiters.waiting += 1
    assert not waiters.has_room
