"""`qhybrid experiments` where the lake is set wrongly: one error, and not one for each experiment."""

import sys

import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.storage.layout import Home


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("s4://BUCKET", "'s4' is not a kind of store"),
        ("", "the tables of this home lie at s3://BUCKET, and nothing says so"),
    ],
)
def test_a_wrong_lake_is_one_error(tmp_path, monkeypatch, capsys, setting, said):
    home = Home(tmp_path).make()
    home.lake_note.write_text('{"address": "s3://BUCKET"}')
    monkeypatch.setenv("QHYBRID_LAKE", setting)
    monkeypatch.setattr(sys, "argv", ["qhybrid", "experiments", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err.startswith(f"error: field 'QHYBRID_LAKE': {said}")
    assert captured.err.count("\n") == 1
