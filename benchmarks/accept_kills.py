"""A service that accepts experiments is killed at work (SIGKILL), again and again: is something lost that it acknowledged, or kept twice?

Eight clients send as fast as they are answered. After each kill the service starts anew on the same home. In the end every acknowledged
request is sent once more and has to get its first answer, byte for byte; judges are the database of requests and the register.

    python benchmarks/accept_kills.py --kills 20

The exit code is 0 if nothing was lost, kept twice, invented or answered otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from measuring import machine, show

from qhybrid_pipelines_tests.support.accept_load import Load, judge
from qhybrid_pipelines_tests.support.running_service import RunningService


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--acknowledged", type=int, default=25, help="before each kill")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        running, load = RunningService(Path(folder) / "home").wait_ready(), Load()
        for number in range(given.kills):
            load.until_killed(running, acknowledged=given.acknowledged)
            running.start()
            running.wait_ready()
            print(f"{number + 1} kills, {len(load.acknowledged)} acknowledged", file=sys.stderr, flush=True)
        with running:
            found = judge(load, running, register_seconds=600.0)
    show("Accepting while being killed", [{"kills": given.kills, **asdict(found)}], machine("fastapi", "uvicorn"))
    sys.exit(1 if found.lost or found.doubled or found.invented or found.changed else 0)


if __name__ == "__main__":
    main()
