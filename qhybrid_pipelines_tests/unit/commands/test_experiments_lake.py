"""`qhybrid experiments` where the lake is set wrongly: one error, and not one for each experiment."""

import sys

import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.storage.layout import Home


def test_a_wrong_lake_is_one_error(tmp_path, monkeypatch, capsys):
    Home(tmp_path).make()
    monkeypatch.setenv("QHYBRID_LAKE", "s4://BUCKET")
    monkeypatch.setattr(sys, "argv", ["qhybrid", "experiments", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err.startswith("error: field 'QHYBRID_LAKE': 's4' is not a kind of store")
    assert captured.err.count("\n") == 1
