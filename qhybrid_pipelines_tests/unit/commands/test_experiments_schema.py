"""`qhybrid schema --kind qml` prints what `qhybrid estimate` takes; other kinds are refused."""

import json
import sys

import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.core.specifications.commented_defaults import commented_learning_default
from qhybrid_pipelines.problems.baseline_runs import optional_baselines
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.terminal import print_learning_verdicts


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["qhybrid", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_printed_specification_is_complete_and_can_be_priced(run, tmp_path):
    code, out, _ = run("schema", "--kind", "qml")
    text, schema = out.split("# JSON Schema:")
    assert code == 0
    assert text.strip() == commented_learning_default().strip()
    assert "dataset" in json.loads(schema)["properties"]
    path = tmp_path / "printed.yaml"
    path.write_text(text)
    code, out, _ = run("estimate", path, "--home", tmp_path, "--json")
    told = json.loads(out)
    assert code == 0
    assert [(row["what"], row["circuits"], row["qubits"]) for row in told["rows"]] == [
        ("variational, 1138 test rows", 1138, 4),
        ("separable, 1138 test rows", 1138, 4),
    ]
    assert [row["circuits"] for row in told["epochs"]] == [455 * (2 * 36 + 1)] * 2
    assert not (tmp_path / "specifications").exists()


def test_the_schema_knows_every_family_and_optional_baseline(run):
    code, out, _ = run("schema")
    text, schema = out.split("# JSON Schema:")
    assert code == 0
    assert f"# {' | '.join(all_families())}\n" in text
    assert all(name in text for name in optional_baselines())
    printed = json.loads(schema)
    family = printed["$defs"]["ProblemSpec"]["properties"]["family"]
    assert family["enum"] == list(all_families())
    assert family["description"] == " | ".join(all_families())
    assert all(name in printed["properties"]["baselines"]["description"] for name in optional_baselines())
    code, out, _ = run("schema", "--json")
    assert (code, json.loads(out)) == (0, printed)


def test_another_kind_is_refused(run):
    code, _, err = run("schema", "--kind", "magic")
    assert (code, "--kind" in err) == (2, True)


def test_no_baseline_is_printed_as_nothing(capsys):
    row = {
        "dataset": "iris",
        "model": "kernel",
        "backend": None,
        "shots": None,
        "metric": "log_loss",
        "model_mean": 0.2,
    }
    row |= {"baseline": None, "baseline_inputs": None, "baseline_mean": None, "gain": None, "verdict": "inconclusive"}
    print_learning_verdicts([row | {"seconds": 1.0}])
    printed = capsys.readouterr().out
    assert "inconclusive" in printed
    assert "features" not in printed
