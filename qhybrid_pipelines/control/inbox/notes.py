"""What the process that reads an inbox leaves for the scans after it: which files it is reading, and the outcome of the others."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True)
class InboxNotes:
    """The notes of a home. The lock tells whether the process that wrote them still lives."""

    home: Home

    @property
    def lock(self) -> Path:
        """Held by the process that reads."""
        return self.home.locks / "inbox.lock"

    @property
    def _reading(self) -> Path:
        return self.home.locks / "inbox.reading.json"

    @property
    def _journal(self) -> Path:
        return self.home.locks / "inbox.journal.jsonl"

    def write_reading(self, files: Sequence[Path]) -> None:
        """Note which files are read from now on."""
        note = {"files": [file.name for file in files], "since": time.time()}
        write_bytes(self._reading, json.dumps(note).encode(), tmp=self.home.tmp, durable=False)

    def forget_reading(self) -> None:
        """Note that nothing is being read."""
        self._reading.unlink(missing_ok=True)

    def reading(self) -> tuple[list[Path], float]:
        """Return which files are being read, or were when their reader ended, and for how many seconds."""
        try:
            note = json.loads(self._reading.read_bytes())
            files = [self.home.inbox / Path(str(name)).name for name in note["files"]]
            return files, max(0.0, time.time() - float(note["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return [], 0.0

    def add_outcome(self, outcome: Mapping[str, Any]) -> None:
        """Append what came of a file."""
        with self._journal.open("ab", buffering=0) as journal:
            journal.write(json.dumps(outcome).encode() + b"\n")

    def pop_outcomes(self) -> list[dict[str, Any]]:
        """Return what came of the files since the last call, each once; only while nobody reads."""
        try:
            lines = self._journal.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        self._journal.unlink()
        outcomes = []
        for line in lines:
            try:
                outcomes.append(json.loads(line))
            except ValueError:
                continue  # cut off as its writer was ended; the files themselves say what came of them
        return outcomes
