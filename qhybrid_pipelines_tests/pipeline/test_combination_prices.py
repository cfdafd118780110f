"""Too many combinations are refused with their number and what they would cost, before anything is registered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS

pytestmark = RUNS_IN_PROCESS

PAGE = """\
name: big
problem: {family: maxcut, source: square.mc}
reduce: {rules: none}
backends: ["ionq:qpu.aria-1"]
budget: {usd: 100000}
ansatz: {layers: 1}
sweep: {strategy: fixed_angles, points: 1}
"""
SQUARE = "4 4\n1 2 1\n2 3 1\n3 4 1\n1 4 2.5\n"


def test_ten_thousand_combinations_are_refused_with_count_and_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "square.mc").write_text(SQUARE)
    home = tmp_path / "home"
    home.mkdir()

    def command(*words: str | Path):
        return CliRunner().invoke(app, [*map(str, words), "--home", str(home)])

    with running_emulator(tmp_path / "cloud", key="some-key", speed=5000.0) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        ends = []
        for shots in (5000, 9950):
            page = tmp_path / f"alone-{shots}.yaml"
            page.write_text(PAGE + f"shots: {shots}\nseed: {0 if shots == 5000 else 99}\n")
            ends.append(json.loads(command("estimate", page, "--json").stdout)["total"]["high_usd"])
        big = tmp_path / "big.yaml"
        big.write_text(PAGE + f"vary: {{seed: {list(range(100))}, shots: {list(range(5000, 10000, 50))}}}\n")
        refused = command("estimate", big).exception
        assert isinstance(refused, InvalidInput)
        ran = command("run", big, "--json")
    assert (refused.file, refused.line, refused.field) == ("big.yaml", 8, "vary")
    assert "100 x 100 are 10,000 experiments" in str(refused)
    said = [float(usd.replace(",", "")) for usd in re.findall(r"\$([\d,]+\.\d\d)", str(refused))]
    assert 0 < ends[0] < ends[1]
    assert said == [round(ends[0], 2), round(ends[1], 2), pytest.approx(5000 * sum(ends), rel=1e-9, abs=0.01)]
    assert json.loads(ran.stdout)["refused"][0]["problem"] == refused.problem
    assert list(Specifications(Home(home))) == []
