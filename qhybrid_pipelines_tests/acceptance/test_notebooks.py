"""The notebooks run from the folder they stand in, on the home that the environment names."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import sample_lake

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

# zmq, jupyter_client and nbclient warn about each other, none of it about the notebook
pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs_to_its_end(path, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    warehouse.publish(home, sample_lake.write(home))
    monkeypatch.setenv("QHYBRID_HOME", str(home.path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    answers = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(any(output.output_type == "execute_result" for output in cell.outputs) for cell in answers)


def test_both_are_here():
    assert [path.name for path in NOTEBOOKS] == ["analyst_questions.ipynb", "learning.ipynb"]
