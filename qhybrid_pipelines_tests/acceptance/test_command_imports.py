"""Commands that read, and a run of what is decided, import nothing that they do not use: half of their time was imports."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register, run

pytestmark = RUNS_IN_PROCESS

SPEC = {
    "name": "light",
    "problem": {
        "family": "maxcut",
        "source": {"generator": "random_regular", "nodes": 8, "degree": 3, "seed": 1},
    },
    "sweep": {"points": 2},
    "shots": 32,
    "repetitions": 2,
    "rounds": {"max": 1},
}
SCIENCE = (
    "dagster",
    "mlflow",
    "ortools",
    "qiskit",
    "qiskit_aer",
    "pennylane",
    "scipy",
    "networkx",
    "matplotlib",
    "pandas",
    "botocore",
)
#: What reads the ledger; the snapshot and its queries need nothing of it.
LEDGER = "sqlalchemy"
ARROW = ("numpy", "pyarrow", "pyarrow.compute", "duckdb")
#: Of all families, one that the experiment is not of.
OTHER_FAMILY = "qhybrid_pipelines.problems.families.portfolio"

#: Command, and what it may import of all that is heavy.
COMMANDS = {
    ("--version",): (),
    ("--help",): (),
    ("jobs", "list"): (LEDGER,),
    ("sql", "SELECT count(*) FROM verdicts"): ("duckdb",),
    ("experiments",): ("duckdb", LEDGER),
    ("answer", "latest"): ("numpy", "pyarrow", LEDGER),
    ("status",): (LEDGER,),
    ("costs",): ("duckdb",),
}

CODE = f"""
import sys
from qhybrid_pipelines.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
loaded = sorted(set({(*SCIENCE, *ARROW, LEDGER, OTHER_FAMILY)!r}) & set(sys.modules))
print("loaded:", *loaded, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("light") / "home"
    launcher = make_launcher(folder)
    run(launcher, register(launcher, [SPEC]))
    return folder


def loaded_by(*arguments):
    """Return the heavy packages that a command had imported when it ended, with exit code 0."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].removeprefix("loaded:").split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_reads_imports_only_what_it_shows(words, home):
    place = () if words[0].startswith("--") else ("--home", home)
    assert loaded_by(*words, *place) <= set(COMMANDS[words])


def test_what_is_decided_is_told_without_dagster(home, tmp_path):
    spec = tmp_path / "light.yaml"
    spec.write_text(json.dumps(SPEC))  # JSON is YAML
    assert loaded_by("run", spec, "--home", home) <= {*ARROW, LEDGER, "networkx", "scipy"}
