"""Parts on workers of Ray: those of a cluster that this machine belongs to, or one process for each core of this machine."""

from __future__ import annotations

import logging
import os
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

#: Read by Ray when it is imported, and stronger where somebody has set them: no figures go to its makers, and no advice is printed.
_USUAL = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
#: Without it, Ray listens on all addresses of the machine, and runs what anybody sends.
_LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


class RayMapper:
    """Sends parts to Ray, which begins a part again when its worker is gone.

    Args:
        address: of a cluster, or ``auto``; None starts workers on this machine, on loopback, which end with this process.
    """

    name = "ray"

    def __init__(self, address: str | None) -> None:
        self._address = address

    @cached_property
    def _ray(self) -> Any:
        for variable, value in (_USUAL if self._address else _USUAL | _LOOPBACK_ONLY).items():
            os.environ.setdefault(variable, value)
        ray = import_module("ray")
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "ignore_reinit_error": True}
        if self._address is None:
            try:
                ray.init(num_cpus=usable_cores(), include_dashboard=False, **quiet)
            except Exception as error:  # Ray has no class for it
                raise WorkersUnavailable(
                    f"Ray did not start on this machine: {error}", remedy="Try again when the machine is less busy."
                ) from error
            return ray
        try:
            ray.init(address=self._address, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise WorkersUnavailable(
                f"Ray's cluster {self._address} does not answer: {error}",
                remedy="Start it with `ray start --head`, start this process on one of its machines, or correct the address.",
            ) from error
        return ray

    @property
    def workers(self) -> int:
        """How many parts are worked on at once: the cores of the cluster. Raises `WorkersUnavailable` without any."""
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if not cores:
            raise WorkersUnavailable(
                f"Ray's cluster {self._address or 'of this process'} has no cores",
                remedy="Add a machine with `ray start --address ADDRESS`.",
            )
        return cores

    def map(self, function: Callable[[Item], Result], parts: Sequence[Item]) -> Iterator[Result]:
        """Yield the result of every part, in their order; see `Mapper.map`."""
        ray = self._ray
        call = ray.remote(num_cpus=1, max_retries=MAX_KILLED_WORKERS)(work_on_part)
        waiting = [call.remote(function, part, release=own_release()) for part in parts]
        # Not cancelled where one fails: Ray 2.60 ends this process when a part that is being cancelled has just been done.
        try:
            for reference in waiting:
                yield ray.get(reference).unwrap()
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
            raise WorkersUnavailable(
                "workers of Ray ended again and again while they worked on the same part",
                remedy="See in their logs why, for example for lack of memory.",
            ) from error
