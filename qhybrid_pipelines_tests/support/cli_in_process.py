"""The command line in the process of the test, which is quicker than a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qhybrid_pipelines import cli


def run_qhybrid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object, home: Path | str
) -> tuple[int | str | None, str, str]:
    """Return exit code, output and error stream of a command on a home."""
    monkeypatch.setattr(sys, "argv", ["qhybrid", *map(str, arguments), "--home", str(home)])
    try:
        cli.main()
        code: int | str | None = 0
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err
