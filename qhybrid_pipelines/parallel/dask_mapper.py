"""Parts on workers of Dask: those of a scheduler, or one process for each core of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any

from qhybrid_pipelines.parallel.cores import usable_cores
from qhybrid_pipelines.parallel.mapper import (
    MAX_KILLED_WORKERS,
    Item,
    Result,
    WorkersUnavailable,
    own_release,
    work_on_part,
)

CONNECT_SECONDS = 30
#: How often it is asked whether a part that takes long still has workers, and how long there may be none: killed ones are started again.
ASK_SECONDS, PATIENCE_SECONDS = 10.0, 120.0


class DaskMapper:
    """Sends parts to a scheduler, which begins a part again when its worker is gone.

    Args:
        address: of a scheduler; None starts one with workers on this machine, which ends with this process.
    """

    name = "dask"

    def __init__(self, address: str | None) -> None:
        self._address = address

    @cached_property
    def _client(self) -> Any:
        config = import_module("dask").config
        config.set({"distributed.scheduler.allowed-failures": MAX_KILLED_WORKERS})
        distributed = import_module("distributed")
        if self._address is None:
            # By default a worker that is missing 15 s after it was lost is given up for good, and its process is ended. That also
            # meets one that was killed again just then and is starting: all may go, one by one, or one with a part already.
            config.set({"distributed.deploy.lost-worker-timeout": "1 day"})
            # On loopback, its page on any free port; memory is bounded by what is running, and not by killing it.
            cluster = distributed.LocalCluster(
                n_workers=usable_cores(), threads_per_worker=1, processes=True, host="127.0.0.1", protocol="tcp",
                dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=50,
            )  # fmt: skip
            return distributed.Client(cluster)
        try:
            return distributed.Client(self._address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise WorkersUnavailable(
                f"Dask's scheduler {self._address} does not answer: {error}",
                remedy="Start it with `dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`, or correct the address.",
            ) from error

    @property
    def workers(self) -> int:
        """How many parts are worked on at once: the threads of all workers. Raises `WorkersUnavailable` without any."""
        threads = sum(self._client.nthreads().values())
        if not threads:
            raise WorkersUnavailable(
                f"Dask's scheduler {self._address or 'of this process'} has no workers",
                remedy="Start some with `dask worker ADDRESS --nthreads 1`.",
            )
        return int(threads)

    def map(self, function: Callable[[Item], Result], parts: Sequence[Item]) -> Iterator[Result]:
        """Yield the result of every part, in their order; see `Mapper.map`."""
        futures = [
            self._client.submit(work_on_part, function, part, release=own_release(), pure=False) for part in parts
        ]
        try:
            for future in futures:
                yield self._wait_for(future).unwrap()
        except import_module("distributed").KilledWorker as error:
            raise WorkersUnavailable(
                "workers of Dask ended again and again while they worked on the same part",
                remedy="See in their logs why, for example for lack of memory.",
            ) from error
        finally:
            self._client.cancel(futures)

    def _wait_for(self, future: Any) -> Any:
        """Return the result of a part. Raises `WorkersUnavailable` when nobody has been there to work on it for `PATIENCE_SECONDS`."""
        wait, last_seen = import_module("distributed").wait, time.monotonic()
        while True:
            try:
                wait([future], timeout=ASK_SECONDS)
                return future.result()
            except TimeoutError:
                if future.done():  # meanwhile; what a part raises comes from `result`
                    return future.result()
            now = time.monotonic()
            if self._client.nthreads():
                last_seen = now
            elif now - last_seen > PATIENCE_SECONDS:
                raise WorkersUnavailable(
                    f"Dask's scheduler {self._address or 'of this process'} has lost all its workers",
                    remedy="See in their logs why, and start others.",
                )
