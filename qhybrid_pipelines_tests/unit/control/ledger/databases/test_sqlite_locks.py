"""What is committed stays, also where one process opens the ledger twice while others come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.dispatcher_harness import plans

COUNT = """
import sys
from pathlib import Path
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
ledger = SqlLedger.open_sqlite(Path(sys.argv[1]))
print(len(ledger.jobs()))
ledger.close()
"""


def count_elsewhere(path: Path) -> int:
    """Return how many jobs another process sees, which closes the ledger at its end."""
    ended = subprocess.run([sys.executable, "-c", COUNT, str(path)], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def test_a_second_ledger_in_the_process_does_not_let_another_process_remove_the_log(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first_job, second_job = plans(2)
    ledger = SqlLedger.open_sqlite(path)
    ledger.plan(first_job)
    second = SqlLedger.open_sqlite(path)
    assert count_elsewhere(path) == 1
    ledger.plan(second_job)
    assert count_elsewhere(path) == len(ledger.jobs()) == 2
    second.close()
    ledger.close()
