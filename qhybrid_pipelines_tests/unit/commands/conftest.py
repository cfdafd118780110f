"""The command line in this process."""

from __future__ import annotations

import sys

import pytest

from qhybrid_pipelines import cli


@pytest.fixture
def qhybrid(monkeypatch, capsys):
    """Run the command line; returns (exit code, output, error stream)."""

    def run(*arguments, home):
        monkeypatch.setattr(sys, "argv", ["qhybrid", *map(str, arguments), "--home", str(home)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
