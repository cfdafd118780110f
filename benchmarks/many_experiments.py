"""Many small experiments dropped into the inbox at once: how long until every verdict, in how many runs, with Dagster's daemon.

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
import yaml
from measuring import machine, show
from overhead import BACKEND, SMALL

from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.defs.batches import DEFAULT_SIZE, SIZE_VARIABLE
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home

ROOT = Path(__file__).resolve().parents[1]


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


def measure(experiments: int, stages_per_run: int, limit_minutes: float) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="many-") as place:
        folder = Path(place)
        home = Home(folder / "data").make()
        for number in range(experiments):
            page = yaml.safe_load(SMALL.format(number=number)) | {"backends": [BACKEND]}
            (home.inbox / f"small-{number:05}.yaml").write_text(yaml.safe_dump(page))
        started, first, decided = time.monotonic(), None, 0
        daemon = start_daemon(folder, stages_per_run)
        try:
            while decided < experiments and time.monotonic() - started < 60 * limit_minutes:
                time.sleep(1)
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
    return [
        {"what": "experiments", "value": experiments},
        {"what": "with a verdict", "value": decided},
        {"what": "minutes until the first verdict", "value": None if first is None else round(first / 60, 1)},
        {"what": "minutes until the last one", "value": round(seconds / 60, 1)},
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
