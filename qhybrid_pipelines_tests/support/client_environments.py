"""Environments of other people's clients, each made from an exact list in ``constraints/clients/``."""

from __future__ import annotations

from pathlib import Path

import environments
import pytest

LISTS = Path(__file__).resolve().parents[2] / "constraints" / "clients"


def make_environment(name: str, version: str) -> Path:
    """Return the interpreter of a client's environment, made anew where its list has changed."""
    interpreter = environments.find_python(version)
    if interpreter is None:
        pytest.skip(f"SKIPPED LOUDLY: this machine has no Python {version}, which {name} needs")
    wanted = LISTS / f"{name}.txt"
    folder = environments.FOLDER / "clients" / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != wanted.read_text():
        try:
            environments.uv("venv", "--quiet", "--clear", "--python", interpreter, str(folder))
            environments.uv("pip", "install", "--quiet", "--python", str(python), "--requirement", str(wanted))
        except SystemExit as error:
            pytest.skip(f"SKIPPED LOUDLY: the packages of {name} cannot be installed here: {error}")
        stamp.write_text(wanted.read_text())
    return python


def check_list(name: str, package: str) -> None:
    """Check that a list pins everything, the client's own package among it."""
    lines = [line for line in (LISTS / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
    assert all("==" in line.split(";")[0] for line in lines), name
    assert any(line.startswith(f"{package}==") for line in lines), name
