"""Many small experiments dropped into the inbox at once: how long until every verdict, in how many runs, with Dagster's daemon.

Beside the clock, which other programs on the machine slow down, stands what all processes worked, daemon and code servers included: on a
machine with nothing else to do, both cores can work all the time.

python benchmarks/many_experiments.py                        # 1,000 experiments of `overhead.py`, on an idle machine
python benchmarks/many_experiments.py --experiments 100
python benchmarks/many_experiments.py --experiments 100 --stages-per-run 1    # each stage in a run of its own
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import psutil
import yaml
from measuring import machine, show, span
from overhead import BACKEND, SMALL

from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.defs.batches import DEFAULT_SIZE, SIZE_VARIABLE
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home

ROOT = Path(__file__).resolve().parents[1]
#: Kinds of processes by a word of their command lines; the code server executes the sensors.
KINDS = {"dagster-daemon": "daemon", "api grpc": "code server", "execute_run": "runs", "multiprocessing": "runs"}


def start_daemon(folder: Path, stages_per_run: int) -> subprocess.Popen[bytes]:
    """Start the daemon in a folder that is laid out as a checkout, with its state under ``data``."""
    for name in ("dagster.yaml", "workspace.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "QHYBRID"))}
    environment |= {"DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT), SIZE_VARIABLE: str(stages_per_run)}
    with (folder / "daemon.log").open("ab") as log:
        return subprocess.Popen(
            [Path(sys.executable).with_name("dagster-daemon"), "run", "-w", "workspace.yaml"],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


class ProcessorTime:
    """What the processes of a session worked, those that have ended included; the last second of each is missed."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._seconds: dict[tuple[int, float], tuple[str, float]] = {}

    def look(self) -> None:
        """Note what each process has worked so far."""
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) != self._session:
                    continue
                with process.oneshot():
                    times, words = process.cpu_times(), " ".join(process.cmdline())
                    kind = next((kind for word, kind in KINDS.items() if word in words), "others")
                    self._seconds[process.pid, process.create_time()] = (kind, times.user + times.system)
            except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
                continue

    def by_kind(self) -> dict[str, float]:
        """Return seconds of each kind of process."""
        kinds: dict[str, float] = {}
        for kind, seconds in self._seconds.values():
            kinds[kind] = kinds.get(kind, 0.0) + seconds
        return kinds


def measure(experiments: int, stages_per_run: int, limit_minutes: float) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="many-") as place:
        folder = Path(place)
        home = Home(folder / "data").make()
        for number in range(experiments):
            page = yaml.safe_load(SMALL.format(number=number)) | {"backends": [BACKEND]}
            (home.inbox / f"small-{number:05}.yaml").write_text(yaml.safe_dump(page))
        started, first, decided, loads = time.monotonic(), None, 0, []
        ages, begun = [], time.time()
        daemon = start_daemon(folder, stages_per_run)
        worked = ProcessorTime(daemon.pid)
        try:
            while decided < experiments and time.monotonic() - started < 60 * limit_minutes:
                time.sleep(1)
                worked.look()
                loads.append(os.getloadavg()[0])
                made = home.warehouse.stat().st_mtime if home.warehouse.exists() else begun
                ages.append(time.time() - made)
                found = len(Lake(home).keys(schemas.DECISIONS))
                if found and first is None:
                    first = time.monotonic() - started
                decided = found
            seconds = time.monotonic() - started
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        with dg.DagsterInstance.from_ref(instance_ref(home.dagster)) as instance:
            runs = instance.get_runs()
        stages = Counter(STAGES.get(run.job_name, run.job_name) for run in runs)
        states = Counter(run.status.value for run in runs)
    seconds_by_kind = worked.by_kind()
    total = sum(seconds_by_kind.values())
    return [
        {"what": "experiments", "value": experiments},
        {"what": "with a verdict", "value": decided},
        {"what": "minutes until the first verdict", "value": None if first is None else round(first / 60, 1)},
        {"what": "minutes until the last one", "value": round(seconds / 60, 1)},
        {"what": "load average meanwhile, lowest to highest", "value": span(loads)},
        {"what": "processor seconds of all processes", "value": round(total, 1)},
        {"what": "of which", "value": ", ".join(f"{n:.0f} {kind}" for kind, n in sorted(seconds_by_kind.items()))},
        {"what": "processor seconds for each verdict", "value": round(total / max(decided, 1), 2)},
        {"what": "greatest age of a snapshot, minutes", "value": round(max(ages) / 60, 1)},
        {"what": "runs", "value": len(runs)},
        {"what": "of which", "value": ", ".join(f"{number} {name}" for name, number in sorted(stages.items()))},
        {"what": "states of runs", "value": ", ".join(f"{number} {name}" for name, number in sorted(states.items()))},
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--experiments", type=int, default=1000)
    arguments.add_argument("--stages-per-run", type=int, default=DEFAULT_SIZE)
    arguments.add_argument("--limit-minutes", type=float, default=120)
    options = arguments.parse_args()
    rows = measure(options.experiments, options.stages_per_run, options.limit_minutes)
    title = f"{options.experiments} small experiments at once, at most {options.stages_per_run} stages in a run"
    show(title, rows, machine("dagster", "pyarrow", "mlflow"))


if __name__ == "__main__":
    main()
