"""The keys of an issuer: a new one is known with the first token that it signs, and made-up names cost the issuer next to nothing."""

from __future__ import annotations

import json
import os
import time

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.access.token_keys import (
    FRESH_SECONDS,
    MOST_BYTES,
    PAUSE_SECONDS,
    STALE_SECONDS,
    KeysUnreachable,
    TokenKeys,
)
from qhybrid_pipelines_tests.support.scripted_server import closed_port, reply, scripted_server
from qhybrid_pipelines_tests.unit.service.access.test_token_callers import EC_KEY, RSA_KEY, jwk

ALGORITHMS = ("RS256", "ES256")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def key_set(*names: str) -> dict[str, list]:
    return {"keys": [jwk(EC_KEY if name.startswith("e") else RSA_KEY, name) for name in names]}


@pytest.mark.parametrize(
    "source",
    [
        "http://id.example/jwks",
        "ftp://127.0.0.1/x",
        "https://ada:secret@id.example/x",
        "https:///x",
        "http://127.0.0.1.evil.example/",
    ],
)
def test_an_address_that_is_not_safe_is_refused(source):
    with pytest.raises(InvalidInput, match="https"):
        TokenKeys(source, ALGORITHMS)


def test_a_key_that_is_published_is_known_with_its_first_token():
    published = ["r1"]
    clock = Clock()
    with scripted_server(lambda *_: reply(key_set(*published))) as server:
        keys = TokenKeys(f"{server.url}/jwks", ALGORITHMS, now=clock)
        assert server.asked == []
        for _ in range(50):
            assert keys.find("r1") is not None
        assert len(server.asked) == 1
        clock.now += PAUSE_SECONDS
        published.append("e2")  # the next key, published and used at once
        assert keys.find("e2") is not None
        assert keys.find("r1") is not None
        clock.now += PAUSE_SECONDS
        published.remove("r1")
        clock.now += FRESH_SECONDS
        assert keys.find("r1") is None
        assert keys.find("e2") is not None
        assert len(server.asked) == 3


def test_names_that_are_made_up_ask_the_issuer_seldom_and_refuse_nobody_for_good():
    published = ["r1"]
    clock = Clock()
    with scripted_server(lambda *_: reply(key_set(*published))) as server:
        keys = TokenKeys(f"{server.url}/jwks", ALGORITHMS, now=clock)
        assert keys.find("r1") is not None
        clock.now += PAUSE_SECONDS
        assert keys.find("made up 0") is None
        published.append("e2")
        for number in range(100):
            with pytest.raises(KeysUnreachable):  # not "no": nobody has looked
                keys.find(f"made up {number}")
            with pytest.raises(KeysUnreachable):
                keys.find("e2")
            assert keys.find("r1") is not None
        assert len(server.asked) == 2
        clock.now += PAUSE_SECONDS
        assert keys.find("e2") is not None


def test_an_issuer_that_is_away_is_believed_for_a_while():
    answers = [reply(key_set("r1"))]
    clock = Clock()
    with scripted_server(lambda *_: answers[-1]) as server:
        keys = TokenKeys(f"{server.url}/jwks", ALGORITHMS, now=clock)
        assert keys.find("r1") is not None
        for bad in (
            reply({}, 500),
            reply(b"<html>"),
            reply({"keys": "no"}),
            reply(b"", 302, Location=f"{server.url}/elsewhere"),
            reply(b" " * (MOST_BYTES + 1)),
        ):
            answers.append(bad)
            clock.now += FRESH_SECONDS + PAUSE_SECONDS
            assert keys.find("r1") is not None
            with pytest.raises(KeysUnreachable):
                keys.find("e2")
        assert {path for _, path, _ in server.asked} == {"/jwks"}
        clock.now += STALE_SECONDS
        with pytest.raises(KeysUnreachable):
            keys.find("r1")
    with pytest.raises(KeysUnreachable):
        TokenKeys(f"http://127.0.0.1:{closed_port()}/jwks", ALGORITHMS).find("r1")


def test_a_file_is_read_anew_when_it_has_changed(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(key_set("r1")))
    keys = TokenKeys(str(path), ALGORITHMS)
    assert keys.find("r1") is not None
    assert keys.find("e2") is None
    replacement = tmp_path / "next.json"
    replacement.write_text(json.dumps(key_set("r1", "e2")))
    replacement.rename(path)
    assert keys.find("e2") is not None
    path.write_text("half")
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))
    with pytest.raises(KeysUnreachable):
        keys.find("r1")
