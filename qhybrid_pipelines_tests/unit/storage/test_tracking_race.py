"""The first use of an empty store by two processes at once, which breaks a store that is made in place."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from qhybrid_pipelines.storage.layout import Home

RECORD = """
import sys
from pathlib import Path
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord
for key in sys.argv[2:]:
    tracked = Tracker(Home(Path(sys.argv[1]))).record(TrackingRecord(key=key, family="maxcut", name=key, params={"a": 1}))
    assert tracked.run_id, tracked
"""


@pytest.mark.slow
def test_the_first_use_breaks_no_store(tmp_path):
    home = Home(tmp_path)
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, str(home.path), "shared", key], stderr=subprocess.PIPE, text=True
        )
        for key in ("one", "two")
    ]
    for process in racing:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as connection:
        keys = connection.execute("SELECT value FROM tags WHERE key = 'qhybrid.key'").fetchall()
    assert sorted(keys) == [("one",), ("shared",), ("two",)]
    assert list(home.tmp.iterdir()) == []
