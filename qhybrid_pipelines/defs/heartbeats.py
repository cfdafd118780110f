"""Signs of life of runs on other machines: a healthy run may take for ever, and one that vanished is given up.

Whether a process on this machine lives can be asked (`defs.orphans`). For all others each run counts up in a small file
below the home, from a thread of its process. Who looks compares counts that it has seen itself, by its own clock that
nobody sets; no two machines' clocks are compared, and how long a run takes plays no part.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from qhybrid_pipelines.core.system.files import write_bytes

BEAT_SECONDS = 30.0
#: A run that is silent for this long, while somebody listens, has vanished with its machine.
SILENCE_SECONDS = 3600.0


def beat_file(locks: Path, run_id: str) -> Path:
    """Return the file in which a run counts up."""
    return locks / "runs" / f"{run_id}.beat"


class Heartbeat:
    """Counts up as long as its process lives.

    Args:
        file: of the run.
        interval_seconds: between two beats.
    """

    def __init__(self, file: Path, *, interval_seconds: float = BEAT_SECONDS) -> None:
        self._file, self._interval_seconds = file, interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the first beat is there when this returns."""
        self._write(0)
        self._thread.start()

    def stop(self) -> None:
        """End, and leave no file."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._file.unlink(missing_ok=True)

    def _beat(self) -> None:
        count = 0
        while not self._stop.wait(self._interval_seconds):
            count += 1
            self._write(count)

    def _write(self, count: int) -> None:
        try:
            write_bytes(self._file, str(count).encode(), durable=False)
        except OSError:  # a full disk is not a reason to end a run, and the next beat may fit
            return


class Listener:
    """Remembers when each run last gave a sign of life.

    Args:
        monotonic: seconds of a clock that nobody sets.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard: dict[Path, tuple[str, float]] = {}

    def silence_seconds(self, file: Path) -> float:
        """Return how long a run has been silent while somebody listened; 0 for one that is new."""
        now = self._monotonic()
        try:
            count = file.read_text()
        except OSError:
            count = ""  # of an older release, or its process has not begun, or the disk does not answer
        if file not in self._heard or self._heard[file][0] != count:
            self._heard[file] = (count, now)
        return now - self._heard[file][1]
