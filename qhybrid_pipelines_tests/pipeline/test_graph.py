"""The code location as a whole: it loads, it is cheap to load, and its graph is the one written down in graph.json.

A change of the graph shows in a review as a change of that file; `python -m qhybrid_pipelines_tests.pipeline.test_graph`
writes it anew.
"""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg

from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.jobs import LEARNING_REPORT, REPORT, SAMPLING_REPORT
from qhybrid_pipelines.defs.partitions import BACKEND_PARTITIONS, EXPERIMENT_PARTITIONS
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import schemas

WRITTEN_DOWN = Path(__file__).with_name("graph.json")
HEAVY = (
    "pennylane",
    "qiskit",
    "qiskit_aer",
    "mlflow",
    "ortools",
    "duckdb",
    "matplotlib",
    "pennylane_qiskit",
    "httpx",
    "botocore",
    "qrmi",
)

LOAD = f"""
import sys
import qhybrid_pipelines.definitions
print(*sorted({set(HEAVY)} & set(sys.modules)))
"""


def build(home):
    return build_definitions(Settings(home=home))


def graph_of(definitions):
    """Return what a person would want to see in a review, as plain data."""
    assets, repository = definitions.resolve_asset_graph(), definitions.get_repository_def()
    nodes = {key.to_user_string(): assets.get(key) for key in assets.get_all_asset_keys()}
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    return {
        "assets": {
            name: {
                "group": node.group_name,
                "partitions": partitions_of(node.partitions_def),
                "deps": sorted(key.to_user_string() for key in node.parent_keys),
                "checks": sorted(
                    check.name + (" (blocking)" if assets.get(check).blocking else "") for check in node.check_keys
                ),
                "kinds": sorted(node.kinds),
                "pools": sorted(node.pools or ()),
            }
            for name, node in sorted(nodes.items())
        },
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys) for job in jobs
        },
        "schedules": {
            s.name: f"{s.job_name} at {s.cron_schedule}, {s.default_status.value}" for s in repository.schedule_defs
        },
        "sensors": {
            s.name: f"every {s.minimum_interval_seconds} s, {s.default_status.value}" for s in repository.sensor_defs
        },
    }


def partitions_of(definition):
    if definition is None:
        return "none"
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return " x ".join(sorted(d.name for d in definition.partitions_defs))
    assert isinstance(definition, dg.DynamicPartitionsDefinition)
    return f"{definition.name} (dynamic)"


def test_definitions_load(tmp_path):
    dg.Definitions.validate_loadable(build(tmp_path))


def test_the_graph_is_the_one_that_is_written_down(tmp_path):
    assert graph_of(build(tmp_path)) == json.loads(WRITTEN_DOWN.read_text())


def test_every_table_of_the_lake_is_an_asset_with_a_check_of_its_schema(tmp_path):
    assets = graph_of(build(tmp_path))["assets"]
    assert set(assets) == set(schemas.BY_NAME) | {
        "warehouse",
        "qpu_completions",
        REPORT,
        LEARNING_REPORT,
        SAMPLING_REPORT,
    }
    assert all("schema" in assets[name]["checks"] for name in schemas.BY_NAME)


def test_partitioned_assets_take_many_partitions_in_one_run(tmp_path):
    """Without this a backfill of 100 experiments would be 100 runs, seconds of start-up each."""
    assets = build(tmp_path).resolve_asset_graph()
    partitioned = [
        assets.get(key)
        for key in assets.get_all_asset_keys()
        if assets.get(key).is_partitioned and assets.get(key).is_materializable
    ]
    tables = [table.name for table in schemas.LAKE_TABLES if "experiment" in table.key]
    assert {node.key.path[-1] for node in partitioned} == {*tables, REPORT, LEARNING_REPORT, SAMPLING_REPORT}
    assert all(node.backfill_policy == dg.BackfillPolicy.single_run() for node in partitioned)


def test_an_experiment_is_one_partition_of_both_definitions(tmp_path):
    assets = build(tmp_path).resolve_asset_graph()
    executions = assets.get(dg.AssetKey("decisions")).partitions_def
    dimensions = {d.name: d.partitions_def for d in executions.partitions_defs}
    assert dimensions["experiment"] == assets.get(dg.AssetKey("reduced_models")).partitions_def
    assert dimensions["experiment"].name == EXPERIMENT_PARTITIONS
    assert dimensions["backend"].name == BACKEND_PARTITIONS


def test_the_definitions_do_not_depend_on_the_backends_of_today(tmp_path, monkeypatch):
    """What was sent to a backend that is gone since is still shown, polled and collected."""
    before = graph_of(build(tmp_path))
    monkeypatch.setenv("IONQ_API_KEY", "some-key")
    monkeypatch.setenv("IONQ_API_URL", "http://127.0.0.1:9/v0.4")
    assert graph_of(build(tmp_path)) == before


def test_loading_the_code_location_imports_nothing_heavy_and_touches_no_file(tmp_path):
    """Each of them costs up to seconds of processor time in every fresh process, and every run has one."""
    ended = subprocess.run(
        [sys.executable, "-c", LOAD],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"QHYBRID_HOME": str(tmp_path / "home"), "PATH": ""},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == []
    assert list(tmp_path.iterdir()) == []


def test_everything_that_the_ui_shows_says_what_it_is_and_whose(tmp_path):
    definitions = build(tmp_path)
    assets, repository = definitions.resolve_asset_graph(), definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    shown = {
        **{f"asset {key.to_user_string()}": assets.get(key) for key in assets.get_all_asset_keys()},
        **{f"{type(s).__name__} {s.name}": s for s in (*repository.sensor_defs, *repository.schedule_defs, *jobs)},
    }
    assert len(shown) > 50  # the control: they were found
    assert [name for name, what in shown.items() if not what.description] == []
    assert [name for name, what in shown.items() if not what.owners] == []
    checks = [assets.get(key) for key in assets.asset_check_keys]
    assert [check.key for check in checks if not check.description] == []


if __name__ == "__main__":
    WRITTEN_DOWN.write_text(json.dumps(graph_of(build(Path.cwd())), indent=2) + "\n")
