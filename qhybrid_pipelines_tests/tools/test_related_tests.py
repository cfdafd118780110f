"""Tests that `make quick` chooses, on a small repository; and that the folders of unit/ mirror the package."""

from __future__ import annotations

import shlex
import subprocess
import tomllib

import pytest
from related_tests import QUICK_MARKS, ROOT, TESTS, TestMap, changed_files, mirrored_module, read_test_map

UNIT = f"{TESTS}/unit"
FILES = {
    "qhybrid_pipelines/core/jobs/circuit_jobs.py": "",
    "qhybrid_pipelines/core/binary_models/bits.py": "",
    "qhybrid_pipelines/control/submitter.py": "from qhybrid_pipelines.core.jobs import circuit_jobs\n",
    "qhybrid_pipelines/cli.py": "from qhybrid_pipelines.control.submitter import submit\n",
    f"{TESTS}/support/samples.py": "from qhybrid_pipelines.core.binary_models.bits import pack\n",
    f"{UNIT}/core/jobs/test_circuit_jobs.py": "from qhybrid_pipelines.core.jobs.circuit_jobs import Job\n",
    f"{UNIT}/core/binary_models/test_bits.py": "from qhybrid_pipelines.core.binary_models.bits import pack\n",
    f"{UNIT}/control/test_submitter_races.py": "def test():\n    from qhybrid_pipelines.control import submitter\n",
    f"{UNIT}/control/conftest.py": f"from {TESTS}.support import samples\n",
    f"{UNIT}/test_cli.py": "from qhybrid_pipelines.cli import main\n",
    "docs/index.md": "",
}
IMPORTERS = {
    "qhybrid_pipelines.core.jobs.circuit_jobs": {"qhybrid_pipelines.control.submitter"},
    "qhybrid_pipelines.control.submitter": {"qhybrid_pipelines.cli"},
}


@pytest.fixture
def repository(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "commit", "-q", "-m", "second", "--allow-empty")
    return tmp_path


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_nearest_tests_come_first(repository):
    related = TestMap(repository, IMPORTERS).related_tests(["qhybrid_pipelines/core/jobs/circuit_jobs.py"])
    assert related.by_distance == {
        0: (f"{UNIT}/core/jobs/test_circuit_jobs.py",),
        1: (f"{UNIT}/control/test_submitter_races.py",),
        2: (f"{UNIT}/test_cli.py",),
    }
    assert not related.untested


def test_helpers_and_conftest_lead_to_the_tests_that_use_them(repository):
    test_map = TestMap(repository, IMPORTERS)
    submitter = (f"{UNIT}/control/test_submitter_races.py",)
    for path in (f"{TESTS}/support/samples.py", f"{UNIT}/control/conftest.py"):
        assert test_map.related_tests([path]).by_distance == {1: submitter}
    bits = test_map.related_tests(["qhybrid_pipelines/core/binary_models/bits.py"]).by_distance
    assert bits == {0: (f"{UNIT}/core/binary_models/test_bits.py",), 1: submitter}


def test_what_no_test_is_chosen_by_is_named(repository):
    (repository / "qhybrid_pipelines/core/seeds.py").write_text("")
    related = TestMap(repository, IMPORTERS).related_tests(["docs/index.md", "qhybrid_pipelines/core/seeds.py"])
    assert related.elsewhere == ("docs/index.md",)
    assert related.untested == ("qhybrid_pipelines.core.seeds",)
    assert not related.by_distance


def test_changes_count_from_the_merge_base_or_from_the_last_commit_but_one(repository):
    assert changed_files(repository) == []
    (repository / "docs/index.md").write_text("changed")
    git(repository, "commit", "-aqm", "on main")
    assert changed_files(repository) == ["docs/index.md"]
    git(repository, "checkout", "-qb", "topic")
    git(repository, "rm", "-q", "qhybrid_pipelines/core/binary_models/bits.py")
    git(repository, "commit", "-qm", "a deleted file")
    git(repository, "commit", "-qm", "nothing", "--allow-empty")
    (repository / "new.py").write_text("")
    assert changed_files(repository) == ["new.py", "qhybrid_pipelines/core/binary_models/bits.py"]


def test_a_test_belongs_to_the_module_of_the_longest_name():
    modules = {"qhybrid_pipelines.problems.reduction", "qhybrid_pipelines.problems.reduction_steps"}
    for stem, module in (("reduction", "reduction"), ("reduction_steps", "reduction_steps"), ("reductions", None)):
        found = mirrored_module(f"{UNIT}/problems/test_{stem}.py", modules)
        assert found == (module and f"qhybrid_pipelines.problems.{module}")
    assert mirrored_module(f"{UNIT}/core/test_reduction.py", modules) is None
    assert mirrored_module(f"{TESTS}/pipeline/test_reduction.py", modules) is None


def test_every_unit_test_mirrors_a_module_or_a_package():
    astray = [test for test, module in read_test_map().module_by_test.items() if module is None]
    assert not astray, "name the file after the module it tests: unit/A/B/test_C.py or test_C_topic.py for A/B/C.py"


def test_what_the_test_command_leaves_out_is_left_out_here_too():
    """A mark on pytest's command line takes the place of the one in pyproject.toml, whatever that left out."""
    options = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    given = shlex.split(options["addopts"])
    left_out = given[given.index("-m") + 1].split(" and ")
    assert left_out
    assert set(left_out) < set(QUICK_MARKS.split(" and "))
