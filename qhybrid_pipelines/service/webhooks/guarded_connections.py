"""Connections to receivers: a name is resolved here, every address of it has to be allowed, and that address is connected to.

What resolves the name once more behind the check would let it answer otherwise the second time. Encryption and the certificate still go by
the name. No proxy of the environment is used, and redirects are not followed: httpcore knows neither.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from qhybrid_pipelines.service.webhooks.target_addresses import IpAddress, may_connect

#: Returns the addresses of a name.
Resolve = Callable[[str, int], Awaitable[list[IpAddress]]]
#: Names that are looked up at a time: one that is not answered keeps its thread for half a minute.
MOST_LOOKUPS = 64


class NotAllowed(Exception):
    """A name leads where nothing is sent."""


class Resolver:
    """Looks names up in threads of its own, as the system does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="webhook-lookup")

    async def __call__(self, host: str, port: int) -> list[IpAddress]:
        """Return the addresses of a name.

        Raises:
            OSError: there are none.
        """
        look_up = asyncio.get_running_loop().run_in_executor
        rows = await look_up(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))

    def close(self) -> None:
        """Begin no more lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to what is allowed.

    Args:
        resolve: returns the addresses of a name.
        loopback: this machine is allowed.
    """

    def __init__(self, resolve: Resolve, *, loopback: bool) -> None:
        self._resolve, self._loopback = resolve, loopback
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to one of the addresses of a name.

        Raises:
            NotAllowed: one of its addresses is not on the public internet; also where others are.
            httpcore.ConnectError: it has none, or none of them answers.
        """
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name of the receiver is not known: {error}") from error
        if not all(may_connect(address, loopback=self._loopback) for address in addresses):
            raise NotAllowed
        problem: Exception = httpcore.ConnectError("the name of the receiver has no address")
        for address in addresses[:4]:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
