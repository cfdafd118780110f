"""docs/renames.md: one list (docs/renames.toml), every new name exists, and no old one is used any more.

python -m qhybrid_pipelines_tests.acceptance.test_docs_renames        writes the page
"""

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.storage import schemas, warehouse_tables, warehouse_views

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "renames.md"
RENAMES = tomllib.loads(ROOT.joinpath("docs/renames.toml").read_text("utf-8"))
RELATIONS = {relation.name: relation for relation in (*warehouse_tables.TABLES, *warehouse_views.VIEWS)}
GRAPH = json.loads(ROOT.joinpath("qhybrid_pipelines_tests/pipeline/graph.json").read_text("utf-8"))

#: Where words of values that are not a table's column come from.
LIFE_OF_A_JOB = "life of a job"
#: Pages that tell old names on purpose.
EXCEPTED = {"docs/renames.toml", "docs/renames.md", "CHANGELOG.md", Path(__file__).relative_to(ROOT).as_posix()}
SUFFIXES = {".ipynb", ".md", ".py", ".toml", ".yaml"}

_INTRODUCTION = """# Renamed

What had another name before the first release, old names on the left. This page is made from `renames.toml` beside it."""


def page() -> str:
    """Return the page as Markdown."""
    columns = [(f"`{table}`", old, new) for table, pairs in RENAMES["columns"].items() for old, new in pairs.items()]
    values = [(f"`{place}`", old, new) for place, pairs in RENAMES["values"].items() for old, new in pairs.items()]
    names = [(f"`{module}`", old, new) for module, pairs in RENAMES["names"].items() for old, new in pairs.items()]
    commands = RENAMES["commands"]
    sections = [
        _INTRODUCTION,
        "## Tables and assets\n\nA table has one name: as an asset, in the lake, in the warehouse, and where steps take it.\n\n"
        + _table(("Old", "New"), RENAMES["tables"].items()),
        "Canaries, the jobs that prove the bit order of each backend, left `jobs`, `latency` and `costs` for a table of their own, `canary_jobs`.",
        "## Columns\n\n" + _table(("Table", "Old", "New"), columns),
        "## Words in columns\n\n" + _table(("Where", "Old", "New"), values),
        "## Commands\n\n"
        + (
            _table(("Old", "New"), commands.items())
            if commands
            else "All commands, and all fields of specifications, have kept their names."
        ),
        "## Sensors\n\n" + _table(("Old", "New"), RENAMES["sensors"].items()),
        "## Dagster's jobs\n\n" + _table(("Old", "New"), RENAMES["jobs"].items()),
        "## Tags of Dagster's runs\n\n" + _table(("Old", "New"), RENAMES["tags"].items()),
        "## Asset checks\n\n" + _table(("Old", "New"), RENAMES["checks"].items()),
        "## Public names\n\n" + _table(("Module", "Old", "New"), names),
        "## Modules\n\nPaths below `qhybrid_pipelines/`.\n\n" + _table(("Old", "New"), RENAMES["modules"].items()),
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _table(head, rows):
    lines = [head, ["---"] * len(head)]
    lines += [[cell if cell.startswith("`") else f"`{cell}`" for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def texts():
    """Return the text files of the repository by path, without those that tell old names on purpose."""
    folders = ("benchmarks", "docs", "notebooks", "qhybrid_pipelines", "qhybrid_pipelines_tests")
    files = [*ROOT.glob("*.*"), *(file for folder in folders for file in ROOT.joinpath(folder).rglob("*.*"))]
    names = {file.relative_to(ROOT).as_posix(): file for file in files if file.suffix in SUFFIXES}
    return {name: file.read_text("utf-8") for name, file in names.items() if name not in EXCEPTED}


@pytest.fixture(scope="module")
def repository():
    return texts()


def mentions(repository, pattern, *, word):
    """Return the files in which a pattern is found; only those that hold a word of it are searched."""
    found = re.compile(pattern)
    return sorted(name for name, text in repository.items() if word in text and found.search(text))


def column_names(table):
    columns = RELATIONS[table].columns
    return set(columns) if hasattr(columns, "keys") else {column.name for column in columns}


def test_the_page_is_made_from_the_list():
    assert PAGE.read_text("utf-8") == page(), f"run python -m {__name__}"


def test_tables_have_their_new_names_only(repository):
    assets = set(GRAPH["assets"])
    for old, new in RENAMES["tables"].items():
        assert new in RELATIONS
        assert new in assets
        assert old not in RELATIONS
        assert old not in assets
        assert old not in schemas.BY_NAME
        assert mentions(repository, rf"\b(FROM|JOIN|INTO|TABLE) +{old}\b(?!\()", word=old) == [], old
        assert mentions(repository, rf"\bthe tables? `{old}`|\brows? of `{old}`", word=old) == [], old
        if "_" in old:
            assert mentions(repository, rf"\b{old}\b", word=old) == [], old


def test_an_asset_its_table_and_its_description_share_one_name():
    assert {*schemas.BY_NAME, "warehouse", "qpu_completions", "report", "qml_report", "sampling_report"} == set(
        GRAPH["assets"]
    )
    assert {name: table.name for name, table in schemas.BY_NAME.items()} == {name: name for name in schemas.BY_NAME}
    assert set(schemas.BY_NAME) <= set(RELATIONS)


def test_columns_have_their_new_names_only(repository):
    current = {name for table in RELATIONS for name in column_names(table)}
    for table, pairs in RENAMES["columns"].items():
        for old, new in pairs.items():
            assert new in column_names(table), (table, new)
            assert old not in column_names(table), (table, old)
            if "_" in old and old not in current:
                assert mentions(repository, rf"\b{old}\b", word=old) == [], old


def test_words_in_columns_are_the_new_ones(repository):
    for place, pairs in RENAMES["values"].items():
        for old, new in pairs.items():
            known = known_words(place)
            assert known is None or new in known, (place, new)
            assert known is None or old not in known, (place, old)
            if "_" in old or not old.islower():
                assert mentions(repository, rf"\b{old}\b", word=old) == [], old


def known_words(place):
    """Return the words that may stand somewhere, None where that is not a closed set."""
    if place == LIFE_OF_A_JOB:
        return {event.value for event in Event}
    table, _, column = place.partition(".")
    assert column in column_names(table)
    if place == "job_events.event":
        return set(EVENT_NAMES.values())
    return set(next(c.words for c in RELATIONS[table].columns if c.name == column)) or None


def test_commands_exist_under_their_new_names_only():
    for old, new in RENAMES["commands"].items():
        assert find_command(new) is not None, new
        assert find_command(old) is None, old


def test_dagsters_jobs_and_tags_have_their_new_names_only(repository):
    assert set(RENAMES["jobs"].values()) <= set(GRAPH["jobs"])  # jobs that came later never had another name
    assert not set(RENAMES["jobs"]) & set(GRAPH["jobs"])
    for old in RENAMES["tags"]:
        assert mentions(repository, rf"{old}\b", word=old) == [], old


def test_sensors_have_their_new_names_only(repository):
    for old, new in RENAMES["sensors"].items():
        assert new in GRAPH["sensors"]
        assert old not in GRAPH["sensors"]
        assert mentions(repository, rf"sensor `{old}`|tick\(\"{old}\"", word=old) == [], old


def test_asset_checks_have_their_new_names_only(repository):
    checks = {check for asset in GRAPH["assets"].values() for check in asset["checks"]}
    for old, new in RENAMES["checks"].items():
        assert new in checks
        assert old not in checks
        assert mentions(repository, rf"\b{old}\b", word=old) == [], old


def find_command(words):
    found = get_command(app)
    for word in words.split():
        found = getattr(found, "commands", {}).get(word)
    return found


@pytest.mark.parametrize("module", RENAMES["names"])
def test_public_names_are_there_under_their_new_names_only(module):
    home = importlib.import_module(f"qhybrid_pipelines.{module}")
    for old, new in RENAMES["names"][module].items():
        assert is_defined(home, new), new
        assert not is_defined(home, old), old


def is_defined(home, dotted):
    *outer, last = dotted.split(".")
    for name in outer:
        if (home := getattr(home, name, None)) is None:
            return False
    return hasattr(home, last) or last in getattr(home, "__annotations__", {})


def test_modules_are_where_the_list_says_and_nowhere_else(repository):
    package = ROOT / "qhybrid_pipelines"
    for old, new in RENAMES["modules"].items():
        assert package.joinpath(new).is_file(), new
        assert not package.joinpath(old).exists(), old
        dotted = old.removesuffix(".py").replace("/", ".")
        if not package.joinpath(old.removesuffix(".py")).is_dir():
            pattern = rf"\bqhybrid_pipelines\.{re.escape(dotted)}\b|`{re.escape(dotted)}(\.\w+)*(\(\))?`|qhybrid_pipelines/{re.escape(old)}\b"
            assert mentions(repository, pattern, word=Path(old).stem) == [], dotted


def test_an_old_name_that_somebody_brings_back_is_found():
    """Negative control of the searches above."""
    back = {
        "a.py": "from qhybrid_pipelines.control.looking import x",
        "b.md": "SELECT 1 FROM counts",
        "c.py": "p_kernel_optimum",
    }
    assert mentions(back, r"\bqhybrid_pipelines\.control\.looking\b", word="looking") == ["a.py"]
    assert mentions(back, r"\b(FROM|JOIN|INTO|TABLE) +counts\b(?!\()", word="counts") == ["b.md"]
    assert mentions(back, r"\bp_kernel_optimum\b", word="p_kernel_optimum") == ["c.py"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
