"""Checks of a leg share a step, and still each speaks for its own table."""

from qhybrid_pipelines.control.progress import PREPARE, Leg
from qhybrid_pipelines.core.errors import Damaged
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines_tests import homes

pytestmark = homes.RUNS_IN_PROCESS

SPECIFICATION = {
    "name": "petersen",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"points": 2},
    "repetitions": 2,
    "shots": 64,
}


def schema_checks(launcher):
    """Return what the newest run found of each table: whether it passed, and in words."""
    run = launcher.instance.get_runs(limit=1)[0]
    evaluations = [
        entry.dagster_event.event_specific_data
        for entry in launcher.instance.all_logs(run.run_id)
        if entry.is_dagster_event and entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    return {
        e.asset_key.path[-1]: (e.passed, e.partition, e.description) for e in evaluations if e.check_name == "schema"
    }


def test_a_table_that_cannot_be_read_fails_its_own_check_only(tmp_path, monkeypatch):
    launcher = homes.launcher_of(tmp_path)
    [key] = homes.accept(launcher, [SPECIFICATION])
    read = Lake.read

    def read_all_but_features(self, asset, place):
        if asset is schemas.FEATURES:  # nothing else in this leg reads them
            raise Damaged("features.parquet", "it cannot be read", remedy="Write it again.")
        return read(self, asset, place)

    monkeypatch.setattr(Lake, "read", read_all_but_features)
    launcher.run_leg(Leg(experiment=key), lambda *_: None)
    found = schema_checks(launcher)
    assert set(found) == set(PREPARE)
    assert {asset for asset, (passed, _, _) in found.items() if not passed} == {"features"}
    assert {partition for _, partition, _ in found.values()} == {key}
    assert "features.parquet" in found["features"][2]
