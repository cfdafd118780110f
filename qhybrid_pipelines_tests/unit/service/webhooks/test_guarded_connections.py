"""The address that was checked is the one that is connected to, and a name with one address inside is refused as a whole."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import httpcore
import pytest

from qhybrid_pipelines.service.webhooks.guarded_connections import GuardedBackend, NotAllowed, Resolver


class Names:
    """Answers look-ups from a list, one answer after the other: a name server that changes its mind."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> list:
        del host, port
        self.asked += 1
        return [ipaddress.ip_address(text) for text in self.answers[min(self.asked, len(self.answers)) - 1]]


def connect(names, *, loopback: bool, port: int = 9) -> httpcore.AsyncNetworkStream:
    return asyncio.run(GuardedBackend(names, loopback=loopback).connect_tcp("hooks.example.org", port, timeout=2.0))


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("::ffff:10.0.0.1",), ("169.254.169.254",), ("64:ff9b::7f00:1",)],
)
def test_a_name_that_leads_inside_is_refused(addresses):
    with pytest.raises(NotAllowed):
        connect(Names(addresses), loopback=False)


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to():
    """By a second look-up behind the check a name could answer otherwise (DNS rebinding)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        names = Names(("127.0.0.1",), ("10.0.0.1",))

        async def talk() -> tuple:
            stream = await GuardedBackend(names, loopback=True).connect_tcp("rebinding.example.org", port, timeout=5.0)
            found = stream.get_extra_info("server_addr")
            await stream.aclose()
            return found

        assert asyncio.run(talk())[:2] == ("127.0.0.1", port)
        assert names.asked == 1
        with pytest.raises(NotAllowed):  # the next connection asks again, and is refused
            connect(names, loopback=True, port=port)


def test_the_next_address_is_tried_where_one_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def talk() -> str:
            stream = await GuardedBackend(Names(("127.0.0.9", "127.0.0.1")), loopback=True).connect_tcp(
                "x.example", port
            )
            found = stream.get_extra_info("server_addr")[0]
            await stream.aclose()
            return found

        assert asyncio.run(talk()) == "127.0.0.1"
    with pytest.raises(httpcore.ConnectError):
        connect(Names(("127.0.0.1",)), loopback=True, port=port)
    with pytest.raises(httpcore.ConnectError):
        connect(Names(()), loopback=True)


def test_numbers_that_the_system_takes_for_addresses_are_checked_like_names():
    resolver = Resolver()
    for text in ("127.1", "2130706433", "0x7f000001", "localhost"):
        with pytest.raises(NotAllowed):
            asyncio.run(GuardedBackend(resolver, loopback=False).connect_tcp(text, 9, timeout=2.0))
    resolver.close()
