"""What years of history cost: ticks of the sensors among decided experiments, and commands on a ledger of many jobs.

Two homes are made. In the first, decided experiments stand beside some of which something is due and some that a provider has; the
files of the decided ones are links to those of one that really ran, but for the two tables that are read. Measured is one tick
of each sensor, in processor seconds: the first one, which has everything to learn, and those that follow. The second holds a ledger
of many jobs (`long_ledger`); measured are commands in processes of their own, with the most memory that they held.

With `--before FOLDER`, another checkout of this repository does the same on the same homes, turn by turn.

    python benchmarks/history.py                                             # a few minutes
    python benchmarks/history.py --before ../main
    python benchmarks/history.py --decided 20000 --open 100 --jobs 1000000   # an hour, most of it preparation; 8 GB of disk
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
from long_ledger import BACKEND as CLOUD
from long_ledger import write_jobs, write_waiting_job
from measuring import figure, machine, show, span

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key, experiment_text
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey, to_parquet
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import conform

HERE = Path(__file__).resolve().parents[1]
LOCAL = "local:auto"
#: Where the cloud of the waiting jobs is said to be: nothing leaves this machine, and every poll fails at once.
NOBODY = "http://127.0.0.1:9"
SPECIFICATION = """
name: history
problem: {family: maxcut, source: networkx:petersen}
sweep: {strategy: fixed_angles, points: 2}
shots: 64
repetitions: 2
rounds: {max: 1}
"""
#: Tables whose rows are read.
READ = (schemas.DECISIONS, schemas.QPU_SUBMISSIONS)

TICKS = """
import json, sys, time
import dagster as dg
from pathlib import Path
from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.settings import Settings
home, rounds = Path(sys.argv[1]), int(sys.argv[2])
(home / "tick-storage").mkdir(exist_ok=True)
found = []
with dg.DagsterInstance.from_ref(instance_ref(home / "tick-storage")) as instance:
    repository = build_definitions(Settings(home=home)).get_repository_def()
    resources, cursors = {"workspace": WorkspaceResource(home=str(home))}, {}
    try:
        from qhybrid_pipelines.control.experiments.damaged_files import Damage
        from qhybrid_pipelines.steps.operate.due_work import find_due_work
    except ImportError:
        learning = None  # a release that remembers nothing
    else:
        opened, started = resources["workspace"].open(), time.process_time()
        find_due_work(
            opened.specifications, opened.lake, opened.control_plane, opened.registration, Damage(),
            marks=opened.settled, limit_seconds=1e9,
        )
        learning = time.process_time() - started
    for _ in range(rounds):
        row = {}
        for name in ("inbox", "due_stages", "qpu_poll"):
            with dg.build_sensor_context(
                instance=instance, instance_ref=instance.get_ref(), resources=resources, repository_def=repository,
                cursor=cursors.get(name),
            ) as context:
                sensor = repository.get_sensor_def(name)
                started = time.process_time()
                data = sensor.evaluate_tick(context)
                row[name] = time.process_time() - started
            cursors[name] = data.cursor
            row[name + " requests"] = len(data.run_requests or ())
        found.append(row)
        time.sleep(0.2)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"learning": learning, "ticks": found, "peak": int(status["VmHWM"].split()[0])}))
"""

COMMAND = """
import json, resource, sys
from pathlib import Path
what, home = sys.argv[1], Path(sys.argv[2])
if what == "publish":
    from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
    from qhybrid_pipelines.steps.operate import warehouse
    from qhybrid_pipelines.storage.layout import Home
    warehouse.publish(Home(home), SqlLedger.open_sqlite(Home(home).ledger))
else:
    from qhybrid_pipelines.cli import main
    sys.argv = ["qhybrid", *what.split(), "--home", str(home)]
    try:
        exec("main()", {"main": main})  # called by a script itself, it would end the process at once
    except SystemExit:
        pass
own = resource.getrusage(resource.RUSAGE_SELF)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("\\n" + json.dumps([own.ru_utime + own.ru_stime, int(status["VmHWM"].split()[0])]))
"""


def run(checkout: Path, script: str, *words: str) -> Any:
    """Run a script with the code of a checkout and return what its last line says."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=os.environ | {"PYTHONPATH": str(checkout), "TERM": "dumb", "IONQ_API_URL": NOBODY},
        cwd=words[0] if Path(words[0]).is_dir() else checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def make_experiments(folder: Path, decided: int, undecided: int) -> Home:
    """Make the first home: some experiments that are decided, and some of which half wait and half are new."""
    launcher = Launcher(Settings(home=folder / "one"))
    key = launcher.workspace.registration.register_text(SPECIFICATION, file="benchmark", folder=Path()).key
    _, failures = launcher.run([key], lambda _stage, _asset: None)
    launcher.instance.dispose()
    assert not failures, failures
    one, home = launcher.workspace.lake, Home(folder / "experiments").make()
    spec = launcher.workspace.specifications.load(key)
    lake, keys = Lake(home), [_registered(home, spec, number) for number in range(decided)]
    sources = [(t, k, one.path(t, k), one.read(t, k)) for t in schemas.LAKE_TABLES for k in one.keys(t) if k.experiment]
    for key in keys:
        for table, partition, path, data in sources:
            there = PartitionKey(experiment=key, backend=partition.backend)
            _copy(lake, table, there, data) if table in READ else _link(lake, table, there, path)
    write_jobs(home.ledger, len(keys), experiments=keys)
    waiting = [_registered(home, spec, number, backend=CLOUD) for number in range(decided, decided + undecided // 2)]
    for key in waiting:
        for table, partition, path, data in sources:
            if partition.backend is None or table in (schemas.CIRCUIT_BATCHES, schemas.QPU_SUBMISSIONS):
                there = PartitionKey(experiment=key, backend=CLOUD if partition.backend else None)
                _copy(lake, table, there, data) if table in READ else _link(lake, table, there, path)
        write_waiting_job(home.ledger, key)
    for number in range(decided + len(waiting), decided + undecided):
        _registered(home, spec, number)
    return home


def _registered(home: Home, spec: ExperimentSpec, number: int, backend: str = LOCAL) -> str:
    copy = spec.model_copy(update={"name": f"history {number}", "backends": (backend,)})
    key = experiment_key(copy)
    (home.specifications / f"{key}.json").write_text(experiment_text(copy))
    return key


def _link(lake: Lake, table: schemas.Table, key: PartitionKey, path: Path) -> None:
    there = lake.path(table, key)
    there.parent.mkdir(parents=True)
    os.link(path, there)


def _copy(lake: Lake, table: schemas.Table, key: PartitionKey, data: pa.Table) -> None:
    there = lake.path(table, key)
    there.parent.mkdir(parents=True)
    names = {
        "experiment": key.experiment,
        "backend": key.backend,
        "requested_backend": key.backend,
        "job_id": f"job-{key.experiment}",
    }
    for name in set(names) & set(data.column_names):
        place = data.column_names.index(name)
        data = data.set_column(place, data.schema.field(place), pa.array([names[name]] * data.num_rows, pa.string()))
    there.write_bytes(to_parquet(table, conform(table, data)))  # without waiting for the disk


def measure_ticks(home: Home, checkouts: Mapping[str, Path], rounds: int) -> list[dict[str, Any]]:
    rows = []
    for name, checkout in checkouts.items():
        found = run(checkout, TICKS, str(home.path), str(rounds + 1))
        if found["learning"] is not None:
            print(f"{name}: looking at every experiment once, {found['learning']:.1f} s")
        for when, ticks in (("first", found["ticks"][:1]), ("later", found["ticks"][1:])):
            if not ticks:
                continue
            whole = [sum(tick[sensor] for sensor in ("inbox", "due_stages", "qpu_poll")) for tick in ticks]
            rows.append(
                {
                    "code": name,
                    "tick": when,
                    **{s: float(median(t[s] for t in ticks)) for s in ("inbox", "due_stages", "qpu_poll")},
                    "together (median, processor s)": float(median(whole)),
                    "lowest to highest": span(whole),
                    "runs asked for": ticks[-1]["due_stages requests"],
                    "peak MB": found["peak"] / 1024,
                }
            )
    return rows


def measure_commands(
    home: Home, checkouts: Mapping[str, Path], rounds: int, jobs: int, *, is_kept: bool
) -> list[dict[str, Any]]:
    """Measure commands; each of several checkouts has a copy of the home, because a publication belongs to its release."""
    plan = ["publish", "doctor", *["jobs list", "doctor"] * rounds, "+1000 events", "publish"]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, checkout in checkouts.items():
        added, seen = 0, set()
        mine = Home(home.path.with_name(f"ledger-{name}"))
        if len(checkouts) > 1 or is_kept:
            subprocess.run(["cp", "-a", str(home.path), str(mine.path)], check=True)
        else:
            home.path.rename(mine.path)
        for what in plan:
            if what.startswith("+"):
                write_jobs(mine.ledger, 112, first=jobs + added)
                added += 112
                continue
            label = f"{what}, {'first' if what not in seen else 'after 1,000 events' if added else 'again'}"
            seen.add(what)
            seconds, peak = run(checkout, COMMAND, what, str(mine.path))
            found.setdefault((label, name), []).append((seconds, peak / 1024))
        subprocess.run(["rm", "-rf", str(mine.path)], check=True)
    return [
        {
            "command": label,
            "code": name,
            "processor s (median)": float(median(seconds for seconds, _ in several)),
            "lowest to highest": span(seconds for seconds, _ in several),
            "peak MB": figure(max(peak for _, peak in several)),
        }
        for (label, name), several in sorted(found.items())
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--decided", type=int, default=2000, help="decided experiments; 0 leaves the ticks out")
    arguments.add_argument("--open", type=int, default=100, help="experiments that are not decided")
    arguments.add_argument("--jobs", type=int, default=20_000, help="jobs of the ledger; 0 leaves the commands out")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument(
        "--folder", type=Path, help="where homes are made, and left for another time with the same sizes"
    )
    arguments.add_argument("--before", type=Path, help="another checkout, measured beside this one")
    options = arguments.parse_args()
    checkouts = {"now": HERE} | ({"before": options.before.resolve()} if options.before else {})
    about = machine("dagster", "sqlalchemy", "pyarrow", "duckdb")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = options.folder or Path(scratch)
        if options.decided:
            home = Home(folder / "experiments")
            if not home.path.exists():
                home = make_experiments(folder, options.decided, options.open)
            title = f"Ticks with {options.open} open among {options.decided} decided experiments, processor seconds"
            show(title, measure_ticks(home, checkouts, options.rounds), about)
        if options.jobs:
            home = Home(folder / "ledger")
            if not home.path.exists():
                write_jobs(home.make().ledger, options.jobs)
            title = f"Commands on a ledger of {options.jobs} jobs"
            show(
                title,
                measure_commands(home, checkouts, options.rounds, options.jobs, is_kept=options.folder is not None),
                about,
            )


if __name__ == "__main__":
    main()
