"""The command line in this process."""

from __future__ import annotations

from functools import partial

import pytest

from qhybrid_pipelines_tests.support.cli_in_process import run_qhybrid


@pytest.fixture
def qhybrid(monkeypatch, capsys):
    """Run the command line; returns (exit code, output, error stream)."""

    return partial(run_qhybrid, monkeypatch, capsys)
