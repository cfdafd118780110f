"""Commands as real processes that can be killed, on the stage of `cli_process_server.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVER_SCRIPT = Path(__file__).with_name("cli_process_server.py")
KILLED = -9


class CommandServer:
    """The process that forks commands, one at a time; its environment is theirs.

    Attributes:
        folder: for homes, logs and whatever a test puts there.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def run(self, home: Path, *specifications: Path, options: tuple[str, ...] = (), **command: Any) -> dict[str, Any]:
        """Run ``qhybrid run`` on a home, with a folder of its own for temporary files; return how it ended.

        Args:
            home: of the experiments.
            specifications: what to run.
            options: of the command.
            command: when to kill it, see `cli_process_server.main`.
        """
        tmp, log = home.with_name(f"{home.name}.tmp"), home.with_name(f"{home.name}.log")
        tmp.mkdir(exist_ok=True)
        arguments = ["run", *map(str, specifications), "--home", str(home), "--json", *options]
        order = {"arguments": arguments, "log": str(log), "tmp": str(tmp), **command}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        end: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert end["code"] in (0, KILLED), log.read_text()
        return end

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)
