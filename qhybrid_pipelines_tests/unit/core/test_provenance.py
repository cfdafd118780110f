"""The record of code, packages and machine: right in a checkout, silent about what is not known."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.core import provenance
from qhybrid_pipelines.core.provenance import RESULT_AFFECTING_PACKAGES, environment
from qhybrid_pipelines.storage import schemas


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **identity},
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package in a checkout of its own."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (tmp_path / "notes.txt").touch()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return package


def test_its_columns_are_those_of_the_table() -> None:
    columns = {column.name for column in schemas.PROVENANCE.columns}
    assert set(environment().to_row()) <= columns
    assert environment() is environment()


def test_versions_are_those_that_are_installed() -> None:
    versions = json.loads(environment().packages)
    assert set(versions) <= set(RESULT_AFFECTING_PACKAGES)
    assert {"numpy", "qiskit", "qhybrid-pipelines"} <= set(versions)
    assert all(importlib.metadata.version(name) == version for name, version in versions.items())
    assert environment().python == platform.python_version()
    assert len(environment().packages_sha256) == 64


def test_names_and_versions_are_read_as_the_library_reads_them() -> None:
    found = [(provenance._name_and_version(each), each) for each in importlib.metadata.distributions()]
    assert len(found) > 50
    assert all(pair == (each.name or "", each.version if each.name else "") for pair, each in found)


def test_nothing_heavy_is_imported_to_find_out() -> None:
    program = (
        "import sys; from qhybrid_pipelines.core.provenance import environment; environment();"
        f"print([m for m in {('numpy', 'qiskit', 'pyarrow', 'pennylane', 'ortools')} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_clean_checkout_names_its_commit(checkout: Path) -> None:
    assert provenance._git(checkout) == (git(checkout, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["__init__.py", "new_family.py"])
def test_a_changed_or_a_new_file_of_the_package_makes_it_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("x = 1\n")
    assert provenance._git(checkout) == (git(checkout, "rev-parse", "HEAD"), True)


def test_what_lies_outside_the_package_decides_nothing(checkout: Path) -> None:
    (checkout.parent / "notes.txt").write_text("shopping list")
    assert provenance._git(checkout)[1] is False


def test_a_package_installed_inside_somebody_elses_checkout_is_not_of_that_revision(checkout: Path) -> None:
    installed = checkout.parent / "venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert provenance._git(installed) == (None, None)


def test_without_a_checkout_a_commit_or_git_nothing_is_claimed(tmp_path: Path, checkout: Path, monkeypatch) -> None:
    outside = tmp_path / "fresh" / "package"
    outside.mkdir(parents=True)
    (outside / "__init__.py").touch()
    git(outside.parent, "init", "-q")
    git(outside.parent, "add", ".")
    assert provenance._git(outside) == (None, None)
    monkeypatch.setenv("PATH", str(outside))
    assert provenance._git(checkout) == (None, None)


def test_variables_of_a_git_hook_do_not_lead_it_astray(checkout: Path, monkeypatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    assert provenance._git(checkout)[1] is False


def test_a_git_that_hangs_is_given_up(checkout: Path, monkeypatch, tmp_path: Path) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(provenance, "GIT_TIMEOUT_SECONDS", 0.1)
    assert provenance._git(checkout) == (None, None)
