"""The emulated cloud in the process of a test."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.server import ServerOptions, application, open_cloud


class EmulatorInProcess:
    """The whole application without a socket: an exception inside it comes out here.

    Args:
        folder: its home, which is made.
        key: in force.
        speed: of its clock.
    """

    def __init__(self, folder: Path, *, key: str, speed: float = 100.0) -> None:
        folder.mkdir()
        options = ServerOptions(folder=folder, port=0, key=key, speed=speed, seed=7, drift_hours=None, faults=None)
        self.cloud = open_cloud(options)
        self.keys = ApiKeys(key)
        self._application = application(self.cloud, self.keys)
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self.cloud.store.close()

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Return the answer to one request, whose options are those of `httpx`."""
        return self._loop.run_until_complete(self._send(method, url, options))

    async def _send(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._application, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, verify=False) as client:
            return await client.request(method, url, **options)
