"""The snapshot is for everybody's tools: older clients of DuckDB open it, no name needs quotes, no day depends on a clock's zone."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from qhybrid_pipelines.storage import analyst, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.warehouse import publish
from qhybrid_pipelines_tests.support import sample_lake

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
RELATIONS = [*warehouse_tables.TABLES, *warehouse_views.VIEWS]
#: A client from before the pinned release, in an environment of its own.
OLDER_CLIENT = "duckdb>=1.2,<2"


def column_names(relation):
    return [column if isinstance(column, str) else column.name for column in relation.columns]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("readers")).make()
    publish(home, sample_lake.write(home))
    return home


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_no_name_needs_quotes(home, relation):
    with analyst.connect(home) as connection:
        for name in column_names(relation):
            for query in (
                f"SELECT {name} FROM {relation.name}",
                f"SELECT r.{name}, 1 FROM {relation.name} r WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1",
                f"SELECT {name}, count(*) FROM {relation.name} GROUP BY {name}",
            ):
                connection.sql(query).fetchall()
    analyst.query(home, f"SELECT {', '.join(column_names(relation))} FROM {relation.name}")


def test_a_reserved_name_would_be_noticed(home):
    """Negative control: `at` was a column once, and a query with it could not be read."""
    with duckdb.connect() as connection, pytest.raises(duckdb.ParserException):
        connection.execute('SELECT a, at FROM (SELECT 1 AS a, 2 AS "at")')


def documented_queries():
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in re.finditer(r'qhybrid sql ("(?:[^"\\]|\\.)*"(?:[^\n`]*))', text):
            if found.group(1).startswith('"..."'):
                continue  # stands for any query
            yield pytest.param(shlex.split(found.group(1), comments=True)[0], id=f"{page.name}-{found.start()}")


@pytest.mark.parametrize("query", [*documented_queries()])
def test_every_query_on_every_page_runs(home, query):
    assert analyst.query(home, query).num_columns > 0


@pytest.mark.parametrize("view", warehouse_views.VIEWS, ids=lambda view: view.name)
def test_no_view_depends_on_the_readers_zone(home, view):
    found = []
    for zone in ("UTC", "Pacific/Kiritimati", "America/St_Johns"):
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{home.warehouse}' AS warehouse (READ_ONLY)")
            connection.execute("USE warehouse")
            connection.execute(f"SET TimeZone = '{zone}'")
            found.append(sorted(map(str, connection.sql(f"SELECT * FROM {view.name}").to_arrow_table().to_pylist())))
            connection.execute("USE memory")
    # Moments are equal whatever zone they are shown in; a day that was cut out of one would not be.
    moments = [
        [re.sub(r"datetime\.datetime\([^)]*\)\)?|, tzinfo=<[^>]*>\)?", "moment", row) for row in rows] for rows in found
    ]
    assert moments[0] == moments[1] == moments[2]


@pytest.mark.slow
def test_an_older_client_opens_it(home, tmp_path):
    uv = Path(sys.executable).with_name("uv")
    environment = tmp_path / "older"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True, timeout=300)
    python = environment / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", python, OLDER_CLIENT, "pytz"]
    subprocess.run(install, check=True, timeout=600)
    names = [relation.name for relation in RELATIONS]
    program = (
        "import duckdb, sys; assert duckdb.__version__.startswith('1.'), duckdb.__version__\n"
        "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print([len(connection.execute(f'SELECT * FROM {name}').fetchall()) for name in sys.argv[2:]])"
    )
    told = subprocess.run(
        [python, "-c", program, home.warehouse, *names], capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == str([analyst.query(home, f"SELECT * FROM {name}").num_rows for name in names])
