"""An analyst's client of DuckDB: opens a warehouse read-only, reads everything, and asks questions; says what it saw.

python life_duckdb.py WAREHOUSE < asked.json       names of relations, and queries
"""

import json
import sys

import duckdb


def rows(query):
    """Return the rows as texts, which differ between releases for no value that tables here hold."""
    return [[str(value) for value in row] for row in connection.execute(query).fetchall()]


asked = json.load(sys.stdin)
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
said = {
    "version": duckdb.__version__,
    "relations": {name: sorted(rows("SELECT * FROM " + name)) for name in asked["relations"]},
    "questions": [rows(query) for query in asked["questions"]],
}
try:
    connection.execute("DELETE FROM jobs")
    said["wrote"] = True
except duckdb.Error:
    said["wrote"] = False
print(json.dumps(said))
