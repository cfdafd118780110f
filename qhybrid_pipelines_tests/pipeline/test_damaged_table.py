"""A damaged table keeps nothing else from being published, and is named in the snapshot, by its check and by `doctor`."""

import json
import re

import dagster as dg
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage.analyst import query

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # Dagster's own: beta parameters, unclosed databases

NAMED = r"data\.parquet.* cannot be read.*Materialise 'reduced_models'"


def test_a_damaged_table_is_named_and_the_rest_is_published(tmp_path):
    launcher = Launcher(Settings(home=tmp_path))
    damaged = tmp_path / "lake" / "reduced_models" / "experiment=first-64c58df5" / "data.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"junk")
    assert launcher.run([], lambda stage, asset: None) == ([], [])
    [row] = query(launcher.workspace.home, "SELECT asset, experiment, problem FROM unreadable_files").to_pylist()
    assert (row["asset"], row["experiment"]) == ("reduced_models", "first-64c58df5")
    assert re.search(NAMED, row["problem"])

    [run] = launcher.instance.get_runs()
    checks = [
        entry.dagster_event.event_specific_data
        for entry in launcher.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    [shown] = [check for check in checks if check.check_name == "every_file_is_readable"]
    assert (shown.passed, shown.severity) == (False, dg.AssetCheckSeverity.WARN)

    said = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path), "--json"])
    [look] = [row for row in json.loads(said.stdout) if row["check"] == "warehouse"]
    assert not look["ok"]
    assert re.search(NAMED, look["finding"])
