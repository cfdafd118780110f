import subprocess
import sys
from contextlib import suppress

import pytest

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.storage import analyst, warehouse
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import sample_lake


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("analyst"))
    warehouse.publish(home, sample_lake.write(home))
    return home


def test_a_query_gives_a_table(home):
    answer = analyst.query(home, "SELECT family, count(*) AS n FROM verdicts GROUP BY ALL ORDER BY ALL")
    assert answer.to_pylist() == [
        {"family": "maxcut", "n": 4},
        {"family": "qml", "n": 4},
        {"family": "sampling", "n": 2},
    ]


PLAIN = "SELECT * FROM verdicts ORDER BY ALL"
OTHER = "SELECT uuid '8b774416-2b30-4904-a798-b18a0d486da6' AS u, INTERVAL 1 MONTH AS i, MAP([1], [2]) AS m, 1 AS n"


@pytest.mark.parametrize(
    "sql", [PLAIN, OTHER, "SELECT 1 AS a, 2 AS a", "SELECT now()::DATE AS d, 1.50::DECIMAL(5, 2) AS x"]
)
def test_rows_are_those_of_the_table(home, sql):
    table = analyst.query(home, sql)
    assert analyst.query_rows(home, sql) == (table.to_pylist(), table.column_names)


def test_sums_stay_whole_numbers_and_old_dates_are_told(home):
    [row], names = analyst.query_rows(home, "SELECT sum(7) AS s, DATE '0044-03-15 (BC)' AS d")
    assert (row, names) == ({"s": 7, "d": "0044-03-15 (BC)"}, ["s", "d"])
    assert type(row["s"]) is int


def test_a_query_is_answered_where_the_machine_gives_no_thread_to_watch_it(home, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    wanted = analyst.query(home, PLAIN)
    monkeypatch.setattr(analyst.threading.Thread, "start", refuse)
    assert analyst.query(home, PLAIN) == wanted
    with pytest.raises(InvalidInput, match="SHOW TABLES"):
        analyst.query(home, "SELECT nothing FROM nowhere")


def test_before_anything_was_published(tmp_path):
    with pytest.raises(InvalidInput, match=r"no warehouse yet.*qhybrid demo"):
        analyst.query(Home(tmp_path), "SELECT 1")


def test_a_file_that_is_no_database(tmp_path):
    home = Home(tmp_path)
    home.warehouse.write_bytes(b"not a database" * 1000)
    with pytest.raises(InvalidInput, match=r"cannot be opened.*Materialise the asset 'warehouse'"):
        analyst.query(home, "SELECT 1")


def test_a_damaged_block_is_not_a_mistake_in_the_query(tmp_path):
    home = Home(tmp_path)
    warehouse.publish(home, sample_lake.write(home))
    whole = home.warehouse.read_bytes()
    home.warehouse.chmod(0o644)
    sql = "SELECT count(DISTINCT columns(*)) FROM qpu_result_sets"
    for start in range(12288 + 1000, len(whole), 262_144):
        home.warehouse.write_bytes(whole[:start] + b"\xaa" * 4096 + whole[start + 4096 :])
        with suppress(CorruptFile):  # not every block holds something of this table
            analyst.query(home, sql)
            continue
        break
    with pytest.raises(CorruptFile, match=r"the snapshot is damaged: .* Delete this file and publish again"):
        analyst.query(home, sql)


HOLD_FOR_WRITING = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_snapshot_that_somebody_opened_for_writing(tmp_path):
    home = Home(tmp_path)
    warehouse.publish(home, {})
    home.warehouse.chmod(0o644)
    command = [sys.executable, "-c", HOLD_FOR_WRITING, str(home.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InvalidInput, match="Close the program that opened it for writing"):
            analyst.query(home, "SELECT 1")
        warehouse.publish(home, {})
        assert analyst.query(home, "FROM snapshot").num_rows == 1
        other.communicate("done\n")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT nothing FROM qpu_result_sets", "DESCRIBE verdicts"),
        ("FROM qpu_result_setz", 'Did you mean "qpu_result_sets"'),
        ("SELECT 'a'::INTEGER", "Could not convert"),
        ("", "no result"),
        ("-- only a comment", "no result"),
    ],
)
def test_wrong_sql_gets_one_line_and_a_remedy(home, sql, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        analyst.query(home, sql)
    assert "\n" not in str(caught.value)
    assert "LINE" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine (a INTEGER)",
        "DELETE FROM qpu_result_sets",
        "UPDATE qpu_result_sets SET count = 2",
        "DROP TABLE qpu_result_sets",
        "ATTACH 'other.duckdb' AS other",
        "SET threads = 1",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "COPY qpu_result_sets TO 'counts.csv'",
        "EXPORT DATABASE 'all'",
        "FROM read_csv('/etc/hostname')",
        "FROM '/etc/hostname'",
        "FROM glob('/*')",
        "INSTALL httpfs",
        "LOAD sqlite",
    ],
)
def test_nothing_is_written_and_nothing_else_is_read(home, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    before = home.warehouse.read_bytes()
    with pytest.raises(InvalidInput):
        analyst.query(home, sql)
    assert home.warehouse.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_variables_of_the_program_are_not_tables(home):
    secrets = sample_lake.write(home)
    assert secrets
    with pytest.raises(InvalidInput, match="secrets does not exist"):
        analyst.query(home, "FROM secrets")


def test_rows_that_match_nothing_keep_their_columns(home):
    answer = analyst.query(home, "SELECT bits, bitstring FROM qpu_result_sets WHERE false")
    assert answer.num_rows == 0
    assert answer.column_names == ["bits", "bitstring"]
