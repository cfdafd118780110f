from pathlib import Path

import nbformat
import pytest

from qhybrid_pipelines.storage import analyst_questions, data_dictionary, warehouse_tables, warehouse_views

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("path", "made", "module"),
    [
        (data_dictionary.PAGE, data_dictionary.page, "dictionary"),
        (analyst_questions.PAGE, analyst_questions.page, "questions"),
        (analyst_questions.NOTEBOOK, analyst_questions.notebook, "questions"),
    ],
    ids=["dictionary", "questions", "notebook"],
)
def test_committed_pages_are_what_the_descriptions_give(path, made, module):
    assert (ROOT / path).read_text(encoding="utf-8") == made(), f"run: python -m qhybrid_pipelines.storage.{module}"


def test_the_dictionary_explains_every_column():
    page = data_dictionary.page()
    for relation in (*warehouse_tables.TABLES, *warehouse_views.VIEWS):
        assert f"\n## {relation.name}\n" in page
        columns = relation.columns if isinstance(relation, warehouse_views.View) else [c.name for c in relation.columns]
        section = page.split(f"\n## {relation.name}\n")[1].split("\n## ")[0]
        assert all(f"\n| `{column}` |" in section for column in columns), relation.name


def test_the_notebook_is_valid_and_holds_no_outputs():
    notebook = nbformat.reads(analyst_questions.notebook(), as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    assert [cell.source.count("SELECT") > 0 for cell in notebook.cells if cell.cell_type == "code"].count(True) == len(
        analyst_questions.QUESTIONS
    ) + 1


def test_every_question_has_a_title_of_its_own():
    assert len({q.title for q in analyst_questions.QUESTIONS}) == len(analyst_questions.QUESTIONS) >= 10
