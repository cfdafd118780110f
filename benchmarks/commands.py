"""What a command costs, in processor seconds of its own process and its children: those that read, and runs of a toy.

With `--before FOLDER`, another checkout of this repository runs the same commands, turn by turn, with the same packages. Processor
seconds grow on a machine that others use, by half and more; both sides meet the same machine.

    python benchmarks/commands.py --rounds 5
    python benchmarks/commands.py --rounds 3 --before ../main
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType

from measuring import machine, show, span

TOY = """
name: toy {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 14, degree: 3, seed: {number}}}}}
"""
HERE = Path(__file__).resolve().parents[1]
READ: Mapping[str, tuple[str, ...]] = {
    "qhybrid --version": ("--version",),
    "qhybrid jobs list": ("jobs", "list"),
    "qhybrid jobs show": ("jobs", "show", "{job}"),
    "qhybrid sql": ("sql", "SELECT count(*) FROM verdicts"),
    "qhybrid costs": ("costs",),
    "qhybrid experiments": ("experiments",),
    "qhybrid answer latest": ("answer", "latest"),
    "qhybrid status": ("status",),
    "qhybrid compare": ("compare", "--last", "2"),
    "qhybrid home show": ("home", "show"),
    "qhybrid backends": ("backends",),
    "qhybrid doctor": ("doctor",),
}
NEW, USED, DECIDED = "qhybrid run, new home", "qhybrid run, used home", "qhybrid run, decided"
MAIN = "from qhybrid_pipelines.cli import main; main()"


def processor_seconds(
    checkout: Path,
    folder: Path,
    *words: str | Path,
    program: str = MAIN,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> float:
    """Run a command of a checkout to its end; return what it and its children worked, kernel included."""
    paths = f"{checkout}{os.pathsep}{Path(__file__).parent}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def newest_job(checkout: Path, home: Path) -> str:
    """Return the id of the newest job of a home."""
    listed = subprocess.run(
        [sys.executable, "-c", MAIN, "jobs", "list", "--json", "--home", home],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        check=True,
        capture_output=True,
    )
    return str(json.loads(listed.stdout)[0]["job_id"])


def one_round(checkout: Path, folder: Path, number: int) -> dict[str, float]:
    """Return the processor seconds of every command, in a home of its own."""
    folder.mkdir(parents=True)
    toys = []
    for seed in (2 * number, 2 * number + 1):
        toys.append(folder / f"toy{seed}.yaml")
        toys[-1].write_text(TOY.format(number=seed))
    home = ("--home", folder / "home")
    seconds = {
        NEW: processor_seconds(checkout, folder, "run", toys[0], *home),
        USED: processor_seconds(checkout, folder, "run", toys[1], *home),
        DECIDED: processor_seconds(checkout, folder, "run", toys[1], *home),
    }
    job = newest_job(checkout, folder / "home")
    for name, words in READ.items():
        place = () if words[0].startswith("--") else home
        seconds[name] = processor_seconds(checkout, folder, *(word.format(job=job) for word in words), *place)
    return seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--before", type=Path, help="another checkout, measured beside this one")
    chosen = options.parse_args()
    checkouts = {"now": HERE} | ({"before": chosen.before.resolve()} if chosen.before else {})
    about = machine("dagster", "mlflow", "pyarrow", "duckdb", "sqlalchemy", "qiskit")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        for checkout in checkouts.values():
            compileall.compile_dir(checkout / "qhybrid_pipelines", quiet=2)
        for number in range(chosen.rounds):
            for name, checkout in checkouts.items():
                found[name].append(one_round(checkout, Path(folder, name, str(number)), number))
    rows = []
    for command in (NEW, USED, DECIDED, *READ):
        now = [each[command] for each in found["now"]]
        row: dict[str, str | float] = {
            "command": command,
            "processor seconds": median(now),
            "lowest to highest": span(now),
        }
        if chosen.before:
            before = [each[command] for each in found["before"]]
            row |= {
                "before": median(before),
                "share of before": median([a / b for a, b in zip(now, before, strict=True)]),
            }
        rows.append(row)
    show("commands", rows, about | {"load_average_after": round(os.getloadavg()[0], 1)})


if __name__ == "__main__":
    main()
