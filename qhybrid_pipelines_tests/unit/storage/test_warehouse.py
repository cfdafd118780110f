import json
import signal
import subprocess
import sys
from itertools import groupby
from operator import itemgetter

import duckdb
import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.storage import analyst, schemas, warehouse, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.lake_files import inventory
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import SchemaMismatch, from_columns, from_rows
from qhybrid_pipelines_tests.support import (
    sample_execution_tables,
    sample_experiments,
    sample_lake,
    sample_learning_tables,
)

DIE_WHILE_PUBLISHING = """
import os, signal, sys
from pathlib import Path
from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.layout import Home
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(warehouse, sys.argv[2], die)
warehouse.publish(Home(Path(sys.argv[1])), {})
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A home with samples in lake and warehouse; tests only read it."""
    home = Home(tmp_path_factory.mktemp("filled"))
    return home, warehouse.publish(home, sample_lake.write(home))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def rows(home, sql):
    return analyst.query(home, sql).to_pylist()


def test_every_table_holds_what_lake_and_ledger_hold(filled):
    home, result = filled
    for table in schemas.LAKE_TABLES:
        lake = Lake(home)
        expected = [row for key in lake.keys(table) for row in lake.read(table, key).to_pylist()]
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        assert rows(home, f"SELECT {names} FROM {table.name}") == expected, table.name
        assert result.tables[table.name] == len(expected) > 0
    for table in schemas.LEDGER_TABLES:
        assert result.tables[table.name] == rows(home, f"SELECT count(*) AS n FROM {table.name}")[0]["n"] > 0
    assert result.rows == sum(result.tables.values())
    assert result.bytes == home.warehouse.stat().st_size


@pytest.mark.parametrize("relation", [*warehouse_tables.TABLES, *warehouse_views.VIEWS], ids=lambda r: r.name)
def test_tables_views_and_columns_say_what_they_mean(filled, relation):
    home, _ = filled
    kind = "view" if isinstance(relation, warehouse_views.View) else "table"
    said = rows(home, f"SELECT comment FROM duckdb_{kind}s() WHERE {kind}_name = '{relation.name}'")
    assert said == [{"comment": relation.meaning}]
    columns = rows(
        home,
        f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{relation.name}' ORDER BY column_index",
    )
    described = relation.columns if kind == "view" else [column.name for column in relation.columns]
    assert [row["column_name"] for row in columns] == list(described)
    assert all(row["comment"] for row in columns)


def test_a_home_without_anything_gives_typed_empty_tables(home):
    result = warehouse.publish(home, {})
    assert result.tables == {table.name: int(table.name == "snapshot") for table in warehouse_tables.TABLES}
    for table in warehouse_tables.TABLES:
        assert analyst.query(home, f'FROM "{table.name}"').schema.names == [column.name for column in table.columns]
    for view in warehouse_views.VIEWS:
        assert analyst.query(home, f"FROM {view.name}").num_rows == 0


def test_only_the_snapshot_is_left_and_nobody_may_write_it(home):
    warehouse.publish(home, {})
    assert home.warehouse.stat().st_mode & 0o777 == 0o444
    assert list(home.tmp.iterdir()) == []
    assert sorted(p.name for p in home.path.iterdir()) == ["locks", "tmp", "warehouse.crc32", "warehouse.duckdb"]


@pytest.mark.parametrize("width", [0, 1, 4, 63, 64, 65, 72, 130])
def test_bitstring_is_the_outcome_with_bit_zero_rightmost(home, width):
    generator = np.random.default_rng(width)
    outcomes = sorted({int.from_bytes(generator.bytes(17), "little") % 2**width for _ in range(50)})
    key = PartitionKey(experiment="e", backend="b:x")
    head = {"experiment": "e", "backend": "b:x"}
    counts = from_columns(
        schemas.QPU_RESULT_SETS,
        {
            **head,
            "job_id": "j",
            "point": list(range(len(outcomes))),
            "repetition": 0,
            "bits": [outcome % 2**64 for outcome in outcomes],
            "high_bits": [
                (outcome >> 64).to_bytes((width - 57) // 8, "little") if width > 64 else None for outcome in outcomes
            ],
            "count": 1,
        },
    )
    _, batch = next(sample_execution_tables.execution_tables(sample_experiments.FIRST, "b:x"))
    batch = from_columns(schemas.CIRCUIT_BATCHES, {n: [v] for n, v in {**batch[0], **head, "n_qubits": width}.items()})
    Lake(home).write(schemas.CIRCUIT_BATCHES, key, batch)
    Lake(home).write(schemas.QPU_RESULT_SETS, key, counts)
    warehouse.publish(home, {})
    texts = [row["bitstring"] for row in rows(home, "SELECT bitstring FROM qpu_result_sets ORDER BY point")]
    assert texts == [format(outcome, f"0{width}b") if width else "" for outcome in outcomes]


def test_counts_without_their_batch_have_no_bitstring(home):
    key = PartitionKey(experiment=sample_experiments.FIRST.key, backend="local:auto")
    table = dict(sample_execution_tables.execution_tables(sample_experiments.FIRST, "local:auto"))[
        schemas.QPU_RESULT_SETS
    ]
    Lake(home).write(
        schemas.QPU_RESULT_SETS,
        key,
        from_columns(schemas.QPU_RESULT_SETS, {n: [r[n] for r in table] for n in table[0]}),
    )
    warehouse.publish(home, {})
    assert rows(home, "SELECT DISTINCT n_qubits, bitstring FROM qpu_result_sets") == [
        {"n_qubits": None, "bitstring": None}
    ]


def test_counts_stand_sorted_by_backend_experiment_and_point(filled):
    stored = rows(filled[0], "SELECT backend, experiment, point, repetition, bits FROM qpu_result_sets")
    order = [tuple(row.values()) for row in stored]
    assert order == sorted(order)


def test_one_verdict_per_execution_with_what_it_cost(filled):
    stored = rows(filled[0], "SELECT * FROM verdicts WHERE kind = 'optimisation' ORDER BY experiment, backend")
    assert len(stored) == sum(len(sample.spec.backends) for sample in sample_experiments.SAMPLES)
    first = next(row for row in stored if row["experiment"] == sample_experiments.FIRST.key)
    assert (first["verdict"], first["decision"], first["cost_usd"]) == ("classical_better", "continue", 0.4)
    assert first["next_experiment"] == sample_experiments.SECOND.key


def test_the_operations_log_says_what_ran(filled):
    stored = rows(filled[0], "SELECT * FROM operations_log WHERE NOT canary")
    assert len(stored) == len({row["job_id"] for row in stored}) == 4
    assert all(None not in {v for k, v in row.items() if k not in ("calibration_id", "error")} for row in stored)


def test_canaries_are_in_their_own_table_and_marked_in_the_operations_log(filled):
    home = filled[0]
    assert rows(home, "SELECT job_id, reported_usd, queue_seconds FROM canary_jobs") == [
        {"job_id": "jcanary", "reported_usd": 7.0, "queue_seconds": 900.0}
    ]
    assert rows(home, "SELECT count(*) AS n FROM jobs") == [{"n": 4}]
    sums = "SELECT sum(jobs)::BIGINT AS jobs, sum(cost_usd) AS cost_usd FROM cost_by_backend"
    assert rows(home, sums) == [{"jobs": 4, "cost_usd": pytest.approx(4 * 0.4)}]
    assert rows(home, "SELECT max(p95_seconds) AS most FROM latency_by_backend") == [{"most": 2.0}]
    told = rows(home, "SELECT job_id, cost_usd, queue_seconds, circuit_version FROM operations_log WHERE canary")
    assert told == [{"job_id": "jcanary", "cost_usd": 7.0, "queue_seconds": 900.0, "circuit_version": None}]


def test_no_name_needs_quotes(filled):
    """Every table, view and column is read by its bare name, as an analyst types it."""
    connection = duckdb.connect()
    reserved = {
        word
        for word, kind in connection.execute("SELECT keyword_name, keyword_category FROM duckdb_keywords()").fetchall()
        if kind in ("reserved", "type_function")
    }
    assert {"select", "distinct", "at"} <= reserved
    columns = rows(
        filled[0],
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND database_name = current_database() "
        "ORDER BY ALL",
    )
    names = {name for row in columns for name in row.values()}
    assert {"jobs", "verdicts", "occurred_at", "distinct_outcomes"} <= names
    assert names & reserved == set()
    with analyst.connect(filled[0]) as opened:
        for table, its_columns in groupby(columns, itemgetter("table_name")):
            bare = ", ".join(row["column_name"] for row in its_columns)
            opened.execute(f"SELECT {bare} FROM {table} ORDER BY {bare} LIMIT 0")


def learning_jobs(ledger):
    """Return the ledger with the jobs of the learning experiment in it, for 0.3 dollars together."""
    head = {
        "experiment": sample_learning_tables.KEY,
        "backend": sample_learning_tables.BACKEND,
        "engine": None,
    }
    head["requested_backend"] = sample_learning_tables.BACKEND
    rows = {name: list(part) for name, part in ledger.items()}
    for model in ("separable", "variational"):
        job = {"job_id": f"j{model}"}
        rows["jobs"].append({**ledger["jobs"][0], **head, **job})
        rows["costs"].append(
            {**ledger["costs"][0], **job, "quoted_usd": 0.2, "reported_usd": None, "reconciled_usd": 0.15}
        )
        for number, (event, facts) in enumerate(
            [
                ("JobPlanned", {"calibration_id": "of the plan", "compile_seconds": 0.5}),
                ("JobSubmitting", {"calibration_id": "of the hand-over"}),
                ("JobVerified", {"engine_version": "1.2"}),
            ],
            start=1,
        ):
            told = {"event": event, "sequence": number, "detail": json.dumps(facts)}
            rows["job_events"].append({**ledger["job_events"][0], **job, **told})
    return rows


def test_learning_jobs_count_and_are_explained_like_others(home):
    ledger = learning_jobs(sample_lake.write(home))
    warehouse.publish(home, ledger)
    log = rows(home, f"SELECT * FROM operations_log WHERE experiment = '{sample_learning_tables.KEY}'")
    told = {(row["circuit_version"], row["engine_version"], row["calibration_id"], row["sdk_versions"]) for row in log}
    assert (len(log), told) == (2, {("ab" * 32, "1.2", "of the hand-over", None)})

    sql = "SELECT cost_usd, useful_results, usd_per_useful_result FROM cost_by_backend WHERE backend = 'local:auto'"
    lake, key = Lake(home), PartitionKey(experiment=sample_learning_tables.KEY)
    verdicts = lake.read(schemas.QML_VERDICTS, key).to_pylist()
    assert {row["verdict"] for row in verdicts if row["backend"]} == {"inconclusive"}
    (before,) = rows(home, sql)
    assert (before["cost_usd"], before["useful_results"]) == (pytest.approx(3 * 0.4 + 2 * 0.15), 3)

    for row in verdicts:
        row["verdict"] = "tie" if row["backend"] and row["model"] == "variational" else "inconclusive"
    lake.write(schemas.QML_VERDICTS, key, from_rows(schemas.QML_VERDICTS, verdicts))
    warehouse.publish(home, ledger)
    assert rows(home, sql) == [
        {**before, "useful_results": 4, "usd_per_useful_result": pytest.approx(before["cost_usd"] / 4)}
    ]


def test_shares_of_the_latency_add_up(filled):
    stored = rows(filled[0], "SELECT backend, sum(share) AS whole, count(*) AS n FROM latency_by_backend GROUP BY ALL")
    assert [(row["whole"], row["n"]) for row in stored] == [(pytest.approx(1), 6)] * 2


def test_the_energies_of_points_are_those_of_their_repetitions(filled):
    merged = (
        "SELECT experiment, backend, point, count(*) AS repetitions, sum(shots)::BIGINT AS shots, "
        "avg(mean_energy) AS mean_energy, min(min_energy) AS min_energy FROM point_scores GROUP BY ALL ORDER BY ALL"
    )
    stored = rows(filled[0], "FROM point_energies ORDER BY ALL")
    assert stored == [{**row, "mean_energy": pytest.approx(row["mean_energy"])} for row in rows(filled[0], merged)]
    assert {row["repetitions"] for row in stored} == {sample_experiments.REPETITIONS}


def test_each_step_of_the_ladder_has_its_own_time(filled):
    stored = rows(filled[0], "SELECT DISTINCT step, step_name, seconds FROM reduction_steps ORDER BY step")
    assert [tuple(row.values()) for row in stored] == [(0, "components", 0.25), (1, "roof duality", 0.5)]


def test_a_reader_keeps_the_snapshot_it_opened(home):
    warehouse.publish(home, {})
    with analyst.connect(home) as held:
        warehouse.publish(home, sample_lake.write(home))
        assert held.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        assert rows(home, "SELECT count(*) AS n FROM jobs") == [{"n": 4}]
        assert held.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_log_left_by_somebody_who_wrote_does_not_reach_the_next_snapshot(home):
    warehouse.publish(home, {})
    home.warehouse.chmod(0o644)
    write = (
        f"import duckdb, os; c = duckdb.connect({str(home.warehouse)!r}); c.execute('DROP VIEW verdicts'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", write], check=True)
    assert home.warehouse.with_name("warehouse.duckdb.wal").exists()
    warehouse.publish(home, {})
    assert not home.warehouse.with_name("warehouse.duckdb.wal").exists()
    assert analyst.query(home, "FROM verdicts").num_rows == 0


@pytest.mark.parametrize("moment", ["_count", "promote"])
def test_a_killed_publisher_leaves_the_last_snapshot(home, moment):
    warehouse.publish(home, sample_lake.write(home))
    before = home.warehouse.read_bytes()
    died = subprocess.run([sys.executable, "-c", DIE_WHILE_PUBLISHING, str(home.path), moment], check=False)
    assert died.returncode == -signal.SIGKILL
    assert home.warehouse.read_bytes() == before
    assert len(files.remove_leftovers(home.tmp)) == 1
    assert list(home.tmp.iterdir()) == []
    warehouse.publish(home, {})  # the dead process' lock is gone
    assert rows(home, "SELECT count(*) AS n FROM jobs") == [{"n": 0}]


def test_a_damaged_file_is_named_and_hurts_itself_only(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    before = {name: rows(home, f"SELECT count(*) AS n FROM {name}") for name in ("qpu_result_sets", "verdicts", "jobs")}
    lake = Lake(home)
    first = lake.keys(schemas.QPU_RESULT_SETS)[0]
    path = lake.path(schemas.QPU_RESULT_SETS, first)
    whole, lost = path.read_bytes(), lake.read(schemas.QPU_RESULT_SETS, first).num_rows
    for rebuild in (False, True):
        path.write_bytes(whole[:100])
        found = warehouse.publish(home, ledger, rebuild=rebuild)
        [problem] = found.unreadable
        assert str(path.relative_to(home.path)) in problem
        assert "Materialise 'qpu_result_sets'" in problem
        [row] = rows(home, "SELECT * FROM unreadable_files")
        assert (row["asset"], row["experiment"], row["backend"]) == ("qpu_result_sets", first.experiment, first.backend)
        shown = before["qpu_result_sets"][0]["n"] - lost
        assert rows(home, "SELECT count(*) AS n FROM qpu_result_sets") == [{"n": shown}]
        assert rows(home, "SELECT count(*) AS n FROM verdicts") == before["verdicts"]
        assert not warehouse.lake_has_changed(home), "it is not tried again until it changes"
        assert warehouse.publish(home, ledger).unreadable == (problem,)
        path.write_bytes(whole)
        assert warehouse.publish(home, ledger, rebuild=rebuild).unreadable == ()
        assert {name: rows(home, f"SELECT count(*) AS n FROM {name}") for name in before} == before


def test_what_was_read_of_a_file_before_its_damage_is_not_shown(home, monkeypatch):
    """Half of a file's rows would be a wrong number that looks like a right one."""
    ledger = sample_lake.write(home)
    whole = Lake.batches

    def damaged_in_the_middle(self, asset, key):
        if schemas.QPU_RESULT_SETS in (asset, schemas.BY_NAME.get(asset)) and key == first:
            yield next(iter(whole(self, asset, key)))[:1]
            raise CorruptFile("data.parquet", "a page is damaged", remedy="Materialise 'qpu_result_sets' again.")
        yield from whole(self, asset, key)

    first = Lake(home).keys(schemas.QPU_RESULT_SETS)[0]
    monkeypatch.setattr(Lake, "batches", damaged_in_the_middle)
    warehouse.publish(home, ledger)
    where = f"experiment = '{first.experiment}' AND backend = '{first.backend}'"
    assert rows(home, f"SELECT count(*) AS n FROM qpu_result_sets WHERE {where}") == [{"n": 0}]
    assert rows(home, "SELECT count(*) > 0 AS others FROM qpu_result_sets") == [{"others": True}]


def test_a_partition_removed_after_it_was_listed_is_passed_over(home, monkeypatch):
    sample_lake.write(home)
    lake, listed = Lake(home), inventory(home)
    monkeypatch.setattr(warehouse, "inventory", lambda *_: listed)
    first, *others = lake.keys(schemas.QPU_RESULT_SETS)
    lake.path(schemas.QPU_RESULT_SETS, first).unlink()
    left = sum(lake.read(schemas.QPU_RESULT_SETS, key).num_rows for key in others)
    assert warehouse.publish(home, {}).tables["qpu_result_sets"] == left
    monkeypatch.undo()
    assert warehouse.lake_has_changed(home)
    assert warehouse.publish(home, {}).tables["qpu_result_sets"] == left
    assert not warehouse.lake_has_changed(home)


def test_the_ends_of_the_pipeline_are_listed_first(home):
    sample_lake.write(home)
    names = list(dict.fromkeys(inventory(home).column("asset").to_pylist()))
    order = ("decisions", "baseline_comparisons", "qpu_result_sets", "experiments")
    assert [name for name in names if name in order] == list(order)


def test_ledger_rows_are_checked(home):
    ledger = sample_lake.write(home)
    with pytest.raises(ValueError, match="no ledger tables"):
        warehouse.publish(home, {"invoices": []})
    ledger["jobs"][0]["state"] = "LOST"
    with pytest.raises(SchemaMismatch, match="LOST"):
        warehouse.publish(home, ledger)
    assert not home.warehouse.exists()
