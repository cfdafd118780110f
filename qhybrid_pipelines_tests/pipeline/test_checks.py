"""The check of a table runs once the table is written, whatever becomes of the rest of its stage."""

import pytest

from qhybrid_pipelines.control.experiments.due_stages import PREPARE, Stage
from qhybrid_pipelines.launch import StageError
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.tables import SchemaMismatch
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

SPECIFICATION = {
    "name": "petersen",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "repetitions": 2,
    "shots": 64,
}


def test_tables_are_checked_though_another_one_of_their_leg_failed(tmp_path, monkeypatch):
    launcher = experiment_homes.make_launcher(tmp_path)
    [key] = experiment_homes.register(launcher, [SPECIFICATION])
    write = Lake.write

    def write_all_but_baselines(self, table, place, data):
        if table is schemas.BASELINES:
            raise SchemaMismatch("table baselines: made to fail")
        return write(self, table, place, data)

    monkeypatch.setattr(Lake, "write", write_all_but_baselines)
    with pytest.raises(StageError, match="made to fail"):
        launcher.run_stage(Stage(experiment=key), lambda *_: None)
    [run] = launcher.instance.get_runs()
    evaluations = [
        entry.dagster_event.event_specific_data
        for entry in launcher.instance.all_logs(run.run_id)
        if entry.is_dagster_event and entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    found = {e.asset_key.path[-1]: (e.passed, e.partition) for e in evaluations if e.check_name == "schema"}
    assert found == dict.fromkeys(set(PREPARE) - {"baselines"}, (True, key))
