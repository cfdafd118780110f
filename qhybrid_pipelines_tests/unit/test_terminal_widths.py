"""What a person sees at 80 columns: lines stay distinct, no interval is broken, and progress keeps its count and its time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from rich.console import Console

from qhybrid_pipelines import terminal, terminal_tables
from qhybrid_pipelines.terminal import print_learning_verdicts, print_sampling_verdicts, shorten_middle

KEY = "iris-learning-of-a-circuit-394ff29efa9e0628"
LEARNING = {
    "experiment": KEY,
    "dataset": "sklearn:iris",
    "metric": "accuracy",
    "model_mean": 0.6123,
    "baseline": "logistic_regression",
    "baseline_inputs": "all",
    "baseline_mean": 0.99,
    "gain": -0.3577,
    "low": -1.5913,
    "high": 0.8759,
    "verdict": "inconclusive",
    "seconds": 0.2,
}
SAMPLING = {
    "n_qubits": 3,
    "shots": 512,
    "fidelity": 0.984,
    "fidelity_low": 0.97,
    "fidelity_high": 0.999,
    "polarisation": 0.9,
    "polarisation_low": 0.87,
    "polarisation_high": 0.93,
    "verdict": "better_than_uniform",
    "sampler_seconds": 0.0003,
}


@dataclass(frozen=True)
class Stage:
    """As much of a stage as progress shows."""

    experiment: str
    backend: str | None
    job: str
    assets: tuple[str, ...]


def set_width(monkeypatch, module, columns):
    """Give a module a terminal of so many columns."""

    def console(**options):
        return Console(**{**options, "width": columns, "force_terminal": True, "color_system": None})

    monkeypatch.setattr(module, "Console", console)


@pytest.fixture(params=[80, 120])
def width(request, monkeypatch):
    set_width(monkeypatch, terminal_tables, request.param)
    return request.param


def test_models_and_where_they_were_measured_stay(width, capsys):
    rows = [
        LEARNING | {"model": model, "backend": backend, "shots": 64}
        for model in ("variational", "separable")
        for backend in (None, "local:auto")
    ]
    print_learning_verdicts(rows, "4 verdicts: $0.00. Next: qhybrid report KEY")
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if "inconclusive" in line]
    assert len(set(lines)) == len(rows)
    assert all("-0.3577 [-1.5913, +0.8759]" in line for line in lines)
    assert max(map(len, printed)) <= width
    assert printed[-1].endswith("qhybrid report KEY")


@pytest.mark.parametrize("keys", [1, 2])
def test_circuits_and_backends_stay(width, keys, capsys):
    rows = [
        SAMPLING | {"experiment": f"ghz-series-{number:016x}", "circuit": f"ghz-{qubits}", "backend": backend}
        for number in range(keys)
        for qubits in (3, 4)
        for backend in ("local:auto", "ibm:fake_sherbrooke")
    ]
    print_sampling_verdicts(rows)
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if "better_than_uniform" in line]
    assert len(set(lines)) == len(rows)
    assert max(map(len, printed)) <= width
    if keys == 1:
        assert all("0.984 [0.970, 0.999]" in line for line in lines)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("key", ["ghz-c703f94792864254", KEY, f"{'a-long-name' * 6}-{'0' * 16}"])
def test_progress_keeps_count_and_time(columns, key, monkeypatch, capsys):
    set_width(monkeypatch, terminal, columns)
    stages = [
        Stage(key, backend, job, assets=("experiments", "sampling_references"))
        for backend, job in ((None, "prepare"), ("ibm:fake_sherbrooke", "measure"))
    ]
    with terminal.progress(quiet=False) as display:
        for stage in stages:
            display.on_progress(stage, None)
            display.on_progress(stage, "sampling_references")
            display.on_message("a sentence that is longer than any name of an asset, and says how far it is")
    printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", printed) if line.strip()][-len(stages) :]
    assert max(map(len, lines)) <= columns
    assert all("1/2" in line and re.search(r" \d:\d\d:\d\d$", line) for line in lines)
    assert "(prepare)" in lines[0]
    assert "(measure)" in lines[1]


def test_shortened_text_keeps_both_ends():
    assert shorten_middle("abcdefghij", 10) == "abcdefghij"
    assert shorten_middle("abcdefghij", 7) == "abc…hij"
    assert [len(shorten_middle("abcdefghij", width)) for width in range(1, 11)] == list(range(1, 11))
