"""``qhybrid report``: where it writes, what it refuses, and what it says about something that has not begun."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support import sample_experiments


@pytest.fixture
def home(tmp_path):
    """A home with one experiment that was registered and not begun."""
    place = Home(tmp_path / "home").make()
    Specifications(place).register(sample_experiments.FIRST.spec)
    SqlLedger.open_sqlite(place.ledger).close()
    return place.path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the command is called in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


KEY = sample_experiments.FIRST.key


def test_a_page_about_something_that_has_not_begun_says_so(home, qhybrid, tmp_path):
    page = tmp_path / "pages" / "page.html"
    code, out, err = qhybrid("report", KEY, "-o", page, "--figures", tmp_path / "figures", home=home)
    assert (code, err) == (0, "")
    assert f"{page}: 1 experiment" in out
    text = page.read_text("utf-8")
    assert "Not decided" in text
    assert (
        f"Not done yet: reading the problem, reducing it and running the classical solvers. <code>qhybrid run {KEY}"
        in text
    )
    assert "The problem has not been read yet." in text


def test_a_key_that_is_given_twice_is_shown_once(home, qhybrid, tmp_path):
    code, out, _ = qhybrid("report", KEY, KEY[:-1], "latest", "-o", tmp_path / "page.html", home=home)
    assert code == 0
    assert "1 experiment;" in out
    assert (tmp_path / "page.html").read_text("utf-8").count("<article") == 1


def test_an_older_page_is_replaced(home, qhybrid, tmp_path):
    page = tmp_path / "report.HTM"
    page.write_text("old")
    assert qhybrid("report", KEY, "-o", page, home=home)[0] == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [
        "report.HTM"
    ]  # nothing unfinished is left


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing-like-it",), "experiment 'nothing-like-it' is not registered"),
        ((KEY, KEY[:-3] + "zzz"), f"Did you mean {KEY}"),
        ((KEY, "-o", "specification.yaml"), "'specification.yaml' is not the name of a page"),
        ((KEY, "-o", ""), "is not the name of a page"),
        (
            (KEY, "-o", "a-file/page.html"),
            "field '--output': 'a-file/page.html' cannot be written: a part of the path is a file",
        ),
        ((KEY, "-o", "page.html", "--figures", "a-file"), "field '--figures': 'a-file' is not a folder"),
        ((KEY, "-o", "folder.html"), "'folder.html' cannot be written: Is a directory"),
        ((KEY, "-o", "n" * 300 + ".html"), "cannot be written: File name too long"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(home, qhybrid, folder, arguments, words):
    (folder / "a-file").write_text("kept")
    (folder / "folder.html").mkdir()
    (folder / "specification.yaml").write_text("kept")
    code, out, err = qhybrid("report", *arguments, home=home)
    assert (code, out) == (2, "")
    assert words in err
    assert (folder / "a-file").read_text() == (folder / "specification.yaml").read_text() == "kept"
    assert sorted(path.name for path in folder.iterdir()) == ["a-file", "folder.html", "home", "specification.yaml"]


def test_a_home_without_a_ledger(qhybrid, tmp_path):
    code, _, err = qhybrid("report", "latest", home=tmp_path / "elsewhere")
    assert code == 2
    assert "there is no ledger in" in err


def test_a_key_beside_serve_is_refused_and_nothing_is_served(home, qhybrid):
    code, out, err = qhybrid("report", KEY, "--serve", home=home)
    assert (code, out) == (2, "")
    assert "no key is named with it" in err
