"""A damaged table keeps the last snapshot in place, and is named in one sentence."""

import re

import pytest

from qhybrid_pipelines.core.errors import JobFailed
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # Dagster's own: beta parameters, unclosed databases


def test_a_damaged_table_is_named(tmp_path):
    launcher = Launcher(Settings(home=tmp_path))
    damaged = tmp_path / "lake" / "reduced_models" / "experiment=first-64c58df5" / "data.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"junk")
    _, (failure,) = launcher.run([], lambda stage, asset: None)
    assert (failure.what, failure.exit_code) == ("publish", JobFailed.exit_code)
    assert re.search(r"data\.parquet.* cannot be read.*Materialise 'reduced_models'", failure.message)
    assert not launcher.workspace.home.warehouse.exists()
