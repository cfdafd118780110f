"""`make mutants`: small faults are put into the rooms that money and verdicts hang on, and the tests must notice them.

    python tools/mutants.py                              # all rooms of mutation/scope.toml, each by its sample
    python tools/mutants.py --module problems.verdict --sample 0     # every mutant of one module
    python tools/mutants.py --resume                     # go on after an interruption
    python tools/mutants.py --room jobs --seconds 5      # a mutant's quickest tests only: a share that is too low, soon
    python tools/mutants.py --room jobs --again          # those mutants that survived, with all tests
    python tools/mutants.py --room jobs --again --tests unit/control/jobs/test_limits.py     # or with new ones only
    python tools/mutants.py --page                       # write docs/mutation.md from the last reports

Each room's outcomes go to build/mutants/ROOM.jsonl, one line a mutant. Exit code 1 if a room kills less than 85 %.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mutation.operators import Mutant
from mutation.report import NOTICED, Summary, read_summaries, write_page
from mutation.session import CONTROL_TESTS, PATIENCE, MutationSession, Target
from mutation.trials import UNREACHED, Outcome, describe
from related_tests import PACKAGE, QUICK_MARKS, ROOT, TESTS

SCOPE = Path(__file__).parent / "mutation" / "scope.toml"
REPORTS = ROOT / "build" / "mutants"
PAGE = ROOT / "docs" / "mutation.md"
LEAST_SHARE = 0.85


def find_targets(room: dict[str, Any], only: Sequence[str]) -> list[Target]:
    """Return the modules of a room, or those of them that are named."""
    import grimp  # noqa: PLC0415 - not needed to write the page

    graph = grimp.build_graph(PACKAGE)
    without = {name for pattern in room.get("without", ()) for name in _modules(pattern)}
    chosen = [name for pattern in room["modules"] for name in _modules(pattern) if name not in without]
    elsewhere: dict[str, list[str]] = room.get("in_other_processes", {})
    return [
        Target(
            name,
            ROOT / f"{name.replace('.', '/')}.py",
            frozenset(graph.find_downstream_modules(name)),
            tuple(f"{TESTS}/{test}" for test in elsewhere.get(name.removeprefix(f"{PACKAGE}."), ())),
        )
        for name in chosen
        if not only or name.removeprefix(f"{PACKAGE}.") in only
    ]


def _modules(pattern: str) -> list[str]:
    if not pattern.endswith(".*"):
        return [f"{PACKAGE}.{pattern}"]
    folder = ROOT / PACKAGE / pattern.removesuffix(".*").replace(".", "/")
    files = sorted(path for path in folder.rglob("*.py") if path.stem != "__init__")
    return [str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in files]


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def run_room(name: str, room: dict[str, Any], options: argparse.Namespace) -> int:
    """Try the mutants of a room in this process and write its report; returns an exit code."""
    report = REPORTS / f"{'some' if options.module else name}.jsonl"
    REPORTS.mkdir(parents=True, exist_ok=True)
    known = Summary.read(report) if (options.resume or options.again) and report.exists() else None
    size = room["sample"] if options.sample is None else options.sample
    began = time.monotonic() - (known.seconds if known else 0.0)

    def choose(mutants: list[Mutant]) -> list[Mutant]:
        rng = random.Random(options.seed)  # noqa: S311 - a sample, no secret
        # In the order of the draw: as many as were tried before a run was cut off are a sample, too.
        sampled = rng.sample(mutants, size if 0 < size < len(mutants) else len(mutants))
        names = {mutant.name for mutant in sampled}
        outcomes = [outcome for outcome in (known.outcomes if known else ()) if outcome["mutant"] in names]
        head = {
            "room": name,
            "population": len(mutants),
            "sample": len(sampled),
            "seed": options.seed,
            "date": time.strftime("%Y-%m-%d"),
            "commit": _commit(),
        }
        report.write_text("".join(json.dumps(line) + "\n" for line in (head, *outcomes)), "utf-8")
        tried = {outcome["mutant"] for outcome in outcomes if not options.again or outcome["state"] in NOTICED}
        if options.again and options.tests:
            sampled = [mutant for mutant in sampled if mutant.name in {outcome["mutant"] for outcome in outcomes}]
        return [mutant for mutant in sampled if mutant.name not in tried]

    def told(outcome: Outcome) -> None:
        if options.again and options.tests and outcome.state == UNREACHED:
            return  # it stays what all tests have found
        line = describe(outcome) | {"at": round(time.monotonic() - began, 1)}
        with report.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        if outcome.state not in NOTICED:
            mutant = outcome.mutant
            print(f"{outcome.state}: {mutant.name} line {mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True)

    tests = [f"{TESTS}/{test}" for test in options.tests or room["tests"]]
    left_out = [f"--deselect={TESTS}/{test}" for test in room.get("without_tests", ())]
    left_out += [f"-k=not ({' or '.join(words)})"] if (words := room.get("without_words")) else []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        session = MutationSession(
            find_targets(room, options.module),
            choose,
            told,
            workers=options.workers,
            folder=Path(folder),
            root=ROOT,
            patience=options.patience,
            control_tests=options.control_tests,
            seconds=options.seconds,
        )
        arguments = ["-q", "-m", QUICK_MARKS, "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={ROOT}"]
        code = pytest.main([*arguments, f"--basetemp={folder}/pytest", *left_out, *tests], plugins=[session])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return int(code)
    summary = Summary.read(report)
    print(f"{summary}; {summary.seconds:.0f} s")
    return int(summary.share < LEAST_SHARE)


def main() -> int:
    """Run what is asked for; rooms run one after the other, each in a process of its own."""
    scope = tomllib.loads(SCOPE.read_text("utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", action="append", choices=list(scope["rooms"]), help="default: all")
    parser.add_argument("--module", action="append", default=[], help="only these modules, as problems.verdict")
    parser.add_argument("--sample", type=int, help="how many mutants of each room; 0: all")
    parser.add_argument("--seed", type=int, default=scope["seed"], help="of the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument(
        "--control-tests",
        type=int,
        default=CONTROL_TESTS,
        help="how many tests, the quickest, unchanged code is tried with in each module; 0: all",
    )
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="times what its tests take that a mutant may take"
    )
    parser.add_argument("--resume", action="store_true", help="keep the outcomes of a run that was cut off")
    parser.add_argument("--seconds", type=float, default=0.0, help="most that a mutant's tests take together; 0: all")
    parser.add_argument("--tests", nargs="+", metavar="TEST", help="in the place of all tests of the room")
    parser.add_argument(
        "--again", action="store_true", help="keep what was noticed, and try the survivors with new tests"
    )
    parser.add_argument("--page", action="store_true", help="write docs/mutation.md from the last reports")
    options = parser.parse_args()
    if options.page:
        before = PAGE.read_text("utf-8") if PAGE.exists() else ""
        PAGE.write_text(write_page(read_summaries(REPORTS), LEAST_SHARE, list(scope["rooms"]), before), "utf-8")
        return 0
    rooms = options.room or [
        name for name, room in scope["rooms"].items() if not options.module or find_targets(room, options.module)
    ]
    if len(rooms) == 1:
        return run_room(rooms[0], scope["rooms"][rooms[0]], options)
    commands = ([sys.executable, __file__, *sys.argv[1:], "--room", room] for room in rooms)
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
