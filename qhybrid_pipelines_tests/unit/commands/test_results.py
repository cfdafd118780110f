"""``qhybrid answer``: the answer in words, for people and for programs; and how a key may be given."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake

FIRST, SECOND = sample_experiments.FIRST.key, sample_experiments.SECOND.key


@pytest.fixture(scope="module")
def sample_home(tmp_path_factory):
    """A home with the sample lake, two registered experiments and an empty ledger."""
    place = Home(tmp_path_factory.mktemp("sample") / "home").make()
    sample_lake.write(place)
    for sample in (sample_experiments.FIRST, sample_experiments.SECOND):
        Specifications(place).register(sample.spec)
    SqlLedger.open_sqlite(place.ledger).close()
    return place.path


@pytest.fixture
def home(sample_home, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(sample_home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def test_an_answer_in_words(home, qhybrid):
    code, out, err = qhybrid("answer", FIRST, home=home)
    assert (code, err) == (0, "")
    assert "square on local:auto: 4 cut weight, found by exact\n" in out
    assert "  ... is on side 1 (2): 1, 3\n  ... is on side 0 (2): 0, 2\n" in out


def test_for_a_spreadsheet(home, qhybrid):
    code, out, _ = qhybrid("answer", FIRST, "--csv", home=home)
    rows = [row for row in csv.DictReader(io.StringIO(out)) if row["backend"] == "local:auto"]
    assert code == 0
    assert [(row["variable"], row["value"], row["meaning"]) for row in rows] == [
        ("0", "0", "0 is on side 0"),
        ("1", "1", "1 is on side 1"),
        ("2", "0", "2 is on side 0"),
        ("3", "1", "3 is on side 1"),
    ]


def test_for_a_program(home, qhybrid):
    code, out, _ = qhybrid("answer", FIRST, "--json", home=home)
    assert code == 0
    assert {answer["backend"]: answer["objective"] for answer in json.loads(out)}["local:auto"] == 4.0


def test_the_lake_and_the_specifications_are_enough(home, qhybrid):
    """A copy of these two, without a ledger, answers and compares as the home does."""
    commands = [("answer", FIRST), ("compare", FIRST, SECOND)]
    told = [qhybrid(*words, home=home) for words in commands]
    assert [code for code, _, _ in told] == [0, 0]
    for path in home.iterdir():
        if path.name not in {"lake", "specifications"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert [qhybrid(*words, home=home) for words in commands] == told


@pytest.mark.parametrize("word", [FIRST[:-2], "latest"])
def test_the_beginning_of_a_key_is_enough(home, qhybrid, word):
    code, out, err = qhybrid("answer", word, "--json", home=home)
    assert (code, err) == (0, "")
    assert json.loads(out)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("nothing-like-it", "experiment 'nothing-like-it' is not registered"),
        (FIRST[:-3] + "zzz", f"Did you mean {FIRST}"),
        (FIRST.rpartition("-")[0][:-1] + "x", f"Did you mean {FIRST}"),
        ("", "the key is empty"),
        ("x" * 5000, "is not registered"),
        ("../../etc/passwd", "is not registered"),
    ],
)
def test_a_wrong_key_is_named_with_those_that_come_close(home, qhybrid, word, words):
    code, out, err = qhybrid("answer", word, home=home)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err) < 400


def test_a_beginning_that_two_have(home, qhybrid):
    code, _, err = qhybrid("answer", "maxcut", home=home)
    assert code == 2
    assert "2 experiments begin with 'maxcut'" in err


def test_a_learning_experiment_has_models_and_no_answer(home, qhybrid):
    key = Specifications(Home(home)).register(
        LearningSpec.model_validate({"name": "learn", "dataset": {"source": "sklearn:wine"}})
    )
    code, _, err = qhybrid("answer", key, home=home)
    assert code == 2
    assert "is a learning experiment" in err


@pytest.fixture(scope="module")
def published(sample_home, tmp_path_factory):
    """A home with a warehouse, which is only read."""
    folder = tmp_path_factory.mktemp("published") / "home"
    shutil.copytree(sample_home, folder, symlinks=True)
    warehouse.publish(Home(folder), {})
    return folder


QUERY = "SELECT 1 AS one, 'a' AS letter"


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("--csv", "one,letter\n1,a\n"),
        ("--markdown", "| one | letter |\n| ---: | --- |\n| 1 | a |\n"),
        ("--line", "   one = 1\nletter = a\n"),
    ],
)
def test_forms_of_a_query(published, qhybrid, form, out):
    assert qhybrid("sql", QUERY, form, home=published) == (0, out, "")


def test_a_query_from_standard_input_and_from_a_file(published, qhybrid, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO(QUERY))
    assert qhybrid("sql", "-", "--csv", home=published)[:2] == (0, "one,letter\n1,a\n")
    file = tmp_path / "query.sql"
    file.write_text(QUERY)
    assert qhybrid("sql", "--file", file, "--csv", home=published)[:2] == (0, "one,letter\n1,a\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no query"),
        ((QUERY, "--file", "x.sql"), "there are two queries"),
        (("--file", "nowhere.sql"), "nowhere.sql: the query cannot be read: No such file"),
        (("",), "the query is empty"),
        (("SELECT '\udcff'",), "the query cannot be read: it is not UTF-8 text"),
        ((f"{QUERY}; {QUERY}",), "there is more than one statement. Ask one SELECT at a time"),
        ((QUERY, "--csv", "--line"), "only one output format can be printed at a time"),
    ],
)
def test_a_query_that_cannot_be_had(published, qhybrid, arguments, words):
    code, out, err = qhybrid("sql", *arguments, home=published)
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize("words", [("status",), ("sql", QUERY), ("jobs", "list"), ("home", "show"), ("sync",)])
def test_a_folder_without_a_ledger_stays_empty(words, qhybrid, tmp_path):
    code, _, err = qhybrid(*words, home=tmp_path)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert re.search(r"there is no (ledger|warehouse yet) in", err)


def test_the_doctor_calls_no_mistyped_home_well_and_examines_one_without_a_ledger(qhybrid, tmp_path):
    code, out, err = qhybrid("doctor", home=tmp_path / "no" / "such")
    assert (code, out) == (2, "")
    assert "there is no ledger in" in err
    _, out, err = qhybrid("doctor", home=tmp_path)
    assert (f"{tmp_path} is writable" in out, err) == (True, "")


def test_an_experiment_with_a_decision_and_no_comparison_names_the_file_that_is_missing(home, qhybrid):
    (lost,) = (Home(home).lake / "baseline_comparisons").glob(f"backend=local*/experiment={FIRST}/data.parquet")
    lost.unlink()
    code, out, _ = qhybrid("experiments", "--json", home=home)
    said = {row["experiment"]: row["verdict"] for row in json.loads(out)}
    assert code == 0
    assert said[FIRST].startswith("cannot be read: asset 'baseline_comparisons' has no table")
    assert not said[SECOND].startswith("cannot be read")


@pytest.mark.parametrize(
    ("words", "place", "said"),
    [
        (("answer", ""), None, "the key is empty. Name an experiment"),
        (("experiments",), "", "the name of the home folder is empty. Name a folder, or leave the option out"),
    ],
)
def test_an_empty_name_is_called_empty(words, place, said, home, qhybrid):
    code, out, err = qhybrid(*words, home=home if place is None else place)
    assert (code, out, said in err) == (2, "", True), err


def test_two_experiments_side_by_side_from_the_lake_alone(home, qhybrid):
    code, out, err = qhybrid("compare", FIRST, SECOND, home=home)
    assert (code, err) == (0, "")
    assert f"{FIRST} on local:auto  ->  {SECOND} on local:auto" in out
    assert re.search(r"best classical +4 +4", out)
    assert re.search(r"The counts (agree|differ|are the same)", out)


def test_the_last_two_and_for_a_program(home, qhybrid):
    code, out, _ = qhybrid("compare", "--last", "2", "--json", home=home)
    found = json.loads(out)
    assert code == 0
    assert {comparison["before"].partition(" on ")[0] for comparison in found} <= {FIRST, SECOND}
    assert set(found[0]) == {"before", "after", "changes", "figures", "points", "counts", "conclusion", "quantity"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "nothing says what to compare"),
        ((FIRST,), 2, "two different experiments are needed"),
        ((FIRST, FIRST), 2, "two different experiments are needed"),
        ((FIRST, "nowhere"), 2, "'nowhere' is not registered"),
        ((FIRST, SECOND, "--last", "2"), 2, "nothing says what to compare"),
    ],
)
def test_what_cannot_be_compared(home, qhybrid, arguments, code, words):
    found, out, err = qhybrid("compare", *arguments, home=home)
    assert (found, out) == (code, "")
    assert words in err


def test_an_experiment_without_a_verdict_cannot_be_compared(home, qhybrid):
    key = Specifications(Home(home)).register(sample_experiments.FIRST.spec.model_copy(update={"name": "undecided"}))
    code, _, err = qhybrid("compare", FIRST, key, home=home)
    assert code == 3
    assert f"{key} is not decided yet. Finish it with `qhybrid run {key} --wait`" in err


def test_what_is_not_decided_says_how_to_finish_it(home, qhybrid):
    key = Specifications(Home(home)).register(sample_experiments.FIRST.spec.model_copy(update={"name": "waits"}))
    for words in (("answer", "waits"), ("compare", FIRST, key)):
        code, out, err = qhybrid(*words, home=home)
        assert (code, out) == (3, "")
        assert f"{key} is not decided yet. Finish it with `qhybrid run {key} --wait`" in err


def test_jobs_of_an_experiment_may_be_asked_for_by_the_beginning_of_its_key(home, qhybrid):
    assert qhybrid("jobs", "list", "--experiment", FIRST[:-3], home=home)[0] == 0
    code, _, err = qhybrid("jobs", "list", "--experiment", f"{FIRST}0", home=home)
    assert code == 2
    assert f"Did you mean {FIRST}?" in err
