"""The process in which the files of an inbox are read: little memory, a time limit for each file, and nobody waits for it.

A file may be too large, or a reader may never end. Here that ends this process only: the kernel ends it, whatever library
holds it, and the note about the file it was reading tells the next scan whose fault it was (`control.inbox.reader`). It reads one
JSON object from its standard input, registers what is settled, and appends what came of each file to a journal.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from qhybrid_pipelines.control.experiments.known_keys import find_keys
from qhybrid_pipelines.control.experiments.registration import RegisteredExperiment, Registration
from qhybrid_pipelines.control.inbox.notes import InboxNotes
from qhybrid_pipelines.control.inbox.scan import QuarantinedFile, scan_inbox
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.system.address_space import limit_address_space
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger


def main() -> None:
    """Read the inbox once."""
    orders = json.load(sys.stdin)
    home, seconds = Home(Path(orders["home"])), float(orders["seconds"])
    notes = InboxNotes(home)
    try:
        with FileLock(notes.lock, timeout=0):
            _limit_resources(int(orders["memory_bytes"]))
            roots = [home.inbox, *map(Path, orders["roots"])]
            specifications = Specifications(home)
            key_of = find_keys(specifications, _Jobs(home).of)
            registration = Registration(specifications, orders["backends"], roots=roots, key_of=key_of)

            def before_reading(files: Sequence[Path]) -> None:
                notes.write_reading(files)
                # Not caught by anybody: no library can hold this process longer.
                signal.setitimer(signal.ITIMER_REAL, seconds)

            def on_outcome(outcome: RegisteredExperiment | QuarantinedFile) -> None:
                signal.setitimer(signal.ITIMER_REAL, 0)
                if isinstance(outcome, RegisteredExperiment):
                    notes.add_outcome({"registered": outcome.key, "new": outcome.new})
                else:
                    notes.add_outcome(
                        {"quarantined": outcome.name, "path": str(outcome.path), "reason": outcome.reason}
                    )

            scan_inbox(home.inbox, home.quarantine, registration, before_reading=before_reading, on_outcome=on_outcome)
            signal.setitimer(signal.ITIMER_REAL, 0)
            notes.forget_reading()
    except Timeout:
        return  # another process reads this inbox


class _Jobs:
    """The jobs of the home's ledger, which is opened when it is asked for the first time."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def of(self, experiment: str) -> bool:
        """Tell whether an experiment has jobs; without a ledger that can be read nothing is registered, and no file is to blame."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return bool(self._ledger.jobs(experiment=experiment)) if self._ledger else False
        except (QHybridError, SQLAlchemyError) as error:
            raise SystemExit(f"the ledger cannot be read: {error}") from error

    @cached_property
    def _ledger(self) -> SqlLedger | None:
        from qhybrid_pipelines.control.ledger.sql_ledger import open_ledger

        url = Deployment.from_environment(self._home.path).ledger_url
        return open_ledger(self._home, url) if url or self._home.ledger.is_file() else None


def _limit_resources(memory_bytes: int) -> None:
    """Give up memory; it cannot be taken back."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit_address_space(memory_bytes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
