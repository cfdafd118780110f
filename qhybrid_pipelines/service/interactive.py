"""Keeping the interactive worker: a process of its own, started with the service, replaced when it is lost, ended with it.

The two share the table of requests and nothing else, so that a worker that is busy, lost or not there keeps nobody's request waiting.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

#: Small experiments lose more by threads that wait for each other than they gain: a third of the processor's time, measured.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_MODULE = "qhybrid_pipelines.interactive_worker"
#: Until a worker must have warmed up; a crowded machine imports slowly.
WARMING_SECONDS = 300.0
#: Rests before a lost worker is replaced, each longer than the last.
_RESTS = (1.0, 5.0, 30.0, 120.0)
#: A worker that has lived so long was not lost by its start.
_SOUND_SECONDS = 60.0
#: Workers that are lost one after the other before any is warm: the next would end in the same way.
_LOSSES_BEFORE_WARM = 3


class InteractiveWorkerLost(RuntimeError):
    """The worker does not become warm."""


class InteractiveTier:
    """The worker of a home.

    Args:
        home: its folder.
        idle: it runs only while nobody else wants the processor.
    """

    def __init__(self, home: Path, *, idle: bool = False) -> None:
        self._home, self._options = home, ["--idle"] if idle else []
        self._warm, self._ending = threading.Event(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="interactive-tier", daemon=True)
        self.lost = 0

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    def wait_warm(self) -> None:
        """Return once the worker is warm.

        Raises:
            InteractiveWorkerLost: it does not become so.
        """
        until = time.monotonic() + WARMING_SECONDS
        while not self._warm.wait(0.5):
            if self.lost >= _LOSSES_BEFORE_WARM:
                raise InteractiveWorkerLost(
                    f"the interactive worker ended {self.lost} times before it was ready; the service's log says why"
                )
            if time.monotonic() > until:
                raise InteractiveWorkerLost(f"the interactive worker was not ready within {WARMING_SECONDS:.0f} s")

    @property
    def is_warm(self) -> bool:
        """Whether a worker is there that has warmed up."""
        return self._warm.is_set()

    def close(self) -> None:
        """End the worker, whatever it does: a stage that is cut off stays due."""
        self._ending.set()
        process = self._process
        if process is not None:
            process.kill()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _keep(self) -> None:
        losses = 0
        while not self._ending.is_set():
            began = time.monotonic()
            # Its input is a pipe that ends with this process, however that ends; what it says goes where the service's log goes.
            with subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", _MODULE, "--home", str(self._home), *self._options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_ONE_THREAD},
            ) as process:
                self._process = process
                if self._ending.is_set():
                    process.kill()
                assert process.stdout is not None
                for line in process.stdout:
                    if line.strip() == b"warm":
                        self._warm.set()
                process.wait()
            self._warm.clear()
            if self._ending.is_set():
                return
            self.lost += 1
            losses = 0 if time.monotonic() - began > _SOUND_SECONDS else losses + 1
            self._ending.wait(_RESTS[min(losses, len(_RESTS) - 1)])
