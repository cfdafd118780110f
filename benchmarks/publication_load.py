"""How old the snapshot for analysts grows while experiments keep coming, and whether those who read it are disturbed.

Dagster's daemon runs as a user starts it, and a small experiment is dropped into the inbox every so many seconds. Each second
the age of the snapshot is looked at: how long ago its making began, or the load, before the first one. Beside it one
process opens the newest snapshot again and again, and another keeps each open for a minute and asks it the same thing every second.

    python benchmarks/publication_load.py                      # 200 experiments an hour for 20 minutes
    python benchmarks/publication_load.py --per-hour 400 --minutes 10
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from many_experiments import ROOT, start_daemon
from measuring import machine, show
from overhead import BACKEND, SMALL

from qhybrid_pipelines.defs.batches import DEFAULT_SIZE
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home

#: A process of an analyst: opens the snapshot, asks, and closes it after so many seconds; says at the end how that went.
READER = """
import json, signal, sys, time
import duckdb
path, hold = sys.argv[1], float(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
told = {"opened": 0, "answers": 0, "errors": [], "changed": 0, "slowest": 0.0}
question = "SELECT (SELECT count(*) FROM qpu_result_sets), (SELECT count(*) FROM verdicts), (SELECT read_at FROM snapshot)"
try:
    while True:
        try:
            with duckdb.connect(path, read_only=True) as connection:
                told["opened"] += 1
                until, first = time.monotonic() + hold, None
                while True:
                    started = time.monotonic()
                    answer = connection.execute(question).fetchall()
                    told["slowest"] = max(told["slowest"], time.monotonic() - started)
                    told["answers"] += 1
                    told["changed"] += first is not None and answer != first
                    first = answer
                    if time.monotonic() > until:
                        break
                    time.sleep(1)
        except Exception as error:
            told["errors"].append(str(error)[:200])
        time.sleep(0.5)
finally:
    print(json.dumps(told))
"""


def measure(per_hour: float, minutes: float) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="publication-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        home = Home(folder / "data").make()
        daemon = start_daemon(folder, DEFAULT_SIZE)
        readers: list[subprocess.Popen[str]] = []
        dropped, ages, begun, moments = 0, [], time.time(), []
        try:
            while (elapsed := time.time() - begun) < 60 * minutes:
                if elapsed >= dropped * 3600 / per_hour:
                    _drop(home, dropped)
                    dropped += 1
                made = _snapshot_time(home)
                if made is not None and not readers:
                    readers = [_start_reader(home, hold) for hold in (0.0, 60.0)]
                if made is not None and made not in moments:
                    moments.append(made)
                ages.append(time.time() - (begun if made is None else made))
                time.sleep(1)
            told = [_stop_reader(reader) for reader in readers]
        finally:
            for reader in readers:
                reader.kill()
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        decided = len(Lake(home).keys(schemas.DECISIONS))
    between = [later - earlier for earlier, later in pairwise(moments)]
    names = ("opens and closes", "keeps each for a minute")
    return [
        {"what": "experiments dropped", "value": dropped},
        {"what": "with a verdict at the end", "value": decided},
        {"what": "snapshots", "value": len(moments)},
        {"what": "greatest age of a snapshot, minutes", "value": round(max(ages) / 60, 2)},
        {"what": "between two of them, minutes at most", "value": round(max(between, default=0) / 60, 2)},
        *(
            {
                "what": f"reader that {name}",
                "value": f"{one['opened']} snapshots opened, {one['answers']} answers, {len(one['errors'])} errors, "
                f"{one['changed']} answers that changed under it, slowest {one['slowest']:.2f} s",
            }
            for name, one in zip(names, told, strict=False)
        ),
    ]


def _drop(home: Home, number: int) -> None:
    page = yaml.safe_load(SMALL.format(number=number)) | {"backends": [BACKEND]}
    (home.inbox / f"load-{number:05}.yaml").write_text(yaml.safe_dump(page))


def _snapshot_time(home: Home) -> float | None:
    try:
        return home.warehouse.stat().st_mtime
    except FileNotFoundError:
        return None


def _start_reader(home: Home, hold: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READER, str(home.warehouse), str(hold)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _stop_reader(reader: subprocess.Popen[str]) -> dict[str, Any]:
    reader.terminate()
    said, _ = reader.communicate(timeout=60)
    return dict(json.loads(said.strip().splitlines()[-1]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--per-hour", type=float, default=200)
    arguments.add_argument("--minutes", type=float, default=20)
    options = arguments.parse_args()
    rows = measure(options.per_hour, options.minutes)
    title = f"{options.per_hour:g} experiments an hour for {options.minutes:g} minutes"
    show(title, rows, machine("dagster", "duckdb"))


if __name__ == "__main__":
    main()
