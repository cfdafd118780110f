"""Two processes write different experiments and publish while analysts read: no error, no torn read, no waiting.

Every revision of an experiment's counts has its own job id and its own number of rows, and always the same shots; so a
read that mixes two revisions, or misses part of one, shows.
"""

import json
import subprocess
import sys
import time

import pytest

from qhybrid_pipelines.storage import analyst, schemas, warehouse
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_columns
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake

pytestmark = pytest.mark.acceptance

REVISIONS = 5
SHOTS = 10_000
PAUSE_SECONDS = 0.05  # so that readers leave some of a small machine to the writers
WRITERS = {
    "left": sample_experiments.Sample(sample_experiments.specification("left")),
    "right": sample_experiments.Sample(sample_experiments.specification("right")),
}

WRITE = """
import sys
from qhybrid_pipelines_tests.acceptance.test_snapshot_isolation import write_and_publish
write_and_publish(*sys.argv[1:])
"""

REOPEN = """
import sys
from qhybrid_pipelines_tests.acceptance.test_snapshot_isolation import reopen_until_told
reopen_until_told(sys.argv[1])
"""

CONSISTENCY_QUERY = """
SELECT experiment, count(DISTINCT job_id) AS jobs, any_value(job_id) AS job_id, count(*) AS rows, sum(count) AS shots,
       count(DISTINCT length(bitstring)) AS widths
FROM qpu_result_sets JOIN verdicts USING (experiment, backend) GROUP BY experiment ORDER BY experiment
"""


def expected_rows(revision: int) -> int:
    return 100 + 37 * revision


def counts_of(sample, revision):
    rows = expected_rows(revision)
    count = [SHOTS // rows] * rows
    count[0] += SHOTS - sum(count)
    return from_columns(
        schemas.QPU_RESULT_SETS,
        {
            "experiment": sample.key,
            "backend": "local:auto",
            "job_id": f"revision-{revision}",
            "point": [i // 10 for i in range(rows)],
            "repetition": 0,
            "bits": [i % 10 for i in range(rows)],
            "high_bits": [None] * rows,
            "count": count,
        },
    )


def write_and_publish(folder: str, name: str) -> None:
    """What one pipeline process does, a bounded number of times."""
    home, sample = Home(folder), WRITERS[name]
    for revision in range(1, REVISIONS + 1):
        Lake(home).write(
            schemas.QPU_RESULT_SETS,
            PartitionKey(experiment=sample.key, backend="local:auto"),
            counts_of(sample, revision),
        )
        warehouse.publish(home, {})


def reopen_until_told(folder: str) -> None:
    """An analyst who opens the warehouse for every query; prints what every query saw."""
    home, seen = Home(folder), []
    while not (home.path / "stop").exists():
        seen.append(analyst.query(home, CONSISTENCY_QUERY).to_pylist())
        time.sleep(PAUSE_SECONDS)
    sys.stdout.write(json.dumps(seen, default=int))


def check(answer) -> dict[str, int]:
    """Assert that an answer is whole, and return the revision of each experiment."""
    revisions = {row["experiment"]: int(row["job_id"].removeprefix("revision-")) for row in answer}
    assert revisions.keys() == {sample.key for sample in WRITERS.values()}
    for row in answer:
        assert (row["jobs"], row["shots"], row["widths"]) == (1, SHOTS, 1)
        assert row["rows"] == expected_rows(revisions[row["experiment"]])
    return revisions


def test_readers_see_whole_snapshots_while_two_processes_write_and_publish(tmp_path):
    home = Home(tmp_path)
    sample_lake.write(home, tuple(WRITERS.values()))
    for sample in WRITERS.values():
        key = PartitionKey(experiment=sample.key, backend="local:auto")
        Lake(home).write(schemas.QPU_RESULT_SETS, key, counts_of(sample, 0))
    warehouse.publish(home, {})

    with analyst.connect(home) as held:
        first = held.sql(CONSISTENCY_QUERY).to_arrow_table().to_pylist()
        assert set(check(first).values()) == {0}
        reader = subprocess.Popen(
            [sys.executable, "-c", REOPEN, str(home.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITE, str(home.path), name], stderr=subprocess.PIPE, text=True)
            for name in WRITERS
        ]
        asked = 0
        while any(writer.poll() is None for writer in writers):
            assert held.sql(CONSISTENCY_QUERY).to_arrow_table().to_pylist() == first
            asked += 1
            time.sleep(PAUSE_SECONDS)
        (home.path / "stop").touch()
        for writer in writers:
            assert (writer.wait(), writer.stderr.read()) == (0, "")
            writer.stderr.close()
        printed, errors = reader.communicate(timeout=60)
        assert (reader.returncode, errors) == (0, "")
        assert held.sql(CONSISTENCY_QUERY).to_arrow_table().to_pylist() == first
        assert set(check(analyst.query(home, CONSISTENCY_QUERY).to_pylist()).values()) == {REVISIONS}

    seen = [check(answer) for answer in json.loads(printed)]
    assert asked >= 10
    assert len(seen) >= 3
    for sample in WRITERS.values():
        revisions = [revision[sample.key] for revision in seen]
        assert revisions == sorted(revisions)
    assert list(home.tmp.iterdir()) == []
    assert sorted(p.name for p in home.path.glob("warehouse*")) == ["warehouse.crc32", "warehouse.duckdb"]


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


OPEN_FOR_WRITING = (
    "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE OR REPLACE TABLE t AS SELECT 2 AS n')"
)


def test_a_shared_database_file_would_block_the_pipeline(tmp_path):
    """Negative control: one idle analyst on a file that is written in place, and the pipeline cannot write."""
    import duckdb

    path = str(tmp_path / "shared.duckdb")
    assert run(OPEN_FOR_WRITING, path).returncode == 0
    with duckdb.connect(path, read_only=True):
        blocked = run(OPEN_FOR_WRITING, path)
    assert blocked.returncode != 0
    assert "Could not set lock on file" in blocked.stderr
    assert run(OPEN_FOR_WRITING, path).returncode == 0


def test_a_view_over_files_written_in_place_would_be_torn(tmp_path):
    """Negative control: a Parquet file that is half written is an error for everybody who reads the view."""
    import duckdb

    lake, key = Lake(Home(tmp_path)), PartitionKey(experiment=WRITERS["left"].key, backend="local:auto")
    lake.write(schemas.QPU_RESULT_SETS, key, counts_of(WRITERS["left"], 1))
    path = lake.path(schemas.QPU_RESULT_SETS, key)
    whole = path.read_bytes()
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW qpu_result_sets AS FROM read_parquet('{lake.home.lake}/**/*.parquet')")
        assert connection.execute("SELECT sum(count) FROM qpu_result_sets").fetchone() == (SHOTS,)
        with path.open("wb") as in_place:
            in_place.write(whole[: len(whole) // 2])
            in_place.flush()
            with pytest.raises(duckdb.Error):
                connection.execute("SELECT sum(count) FROM qpu_result_sets").fetchone()
