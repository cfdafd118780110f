"""Optimised angles are computed once for a content; a damaged file is made anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qhybrid_pipelines.steps.prepare.optimised_angles import StoredAngles, content_hash
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model

MODEL = make_reduced_model(ising([0.5, 0.0, -1.0, 0.25], {(0, 1): 1.0, (1, 2): -2.0, (2, 3): 0.5}), 2)


def only_file(home: Home) -> Path:
    [path] = home.angles.iterdir()
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").make()


def test_the_second_call_reads_what_the_first_one_wrote(home: Home) -> None:
    first = StoredAngles(home)(MODEL, "x", 1)
    assert np.array_equal(StoredAngles(home)(MODEL, "x", 1).angles, first.angles)
    fields = json.loads(only_file(home).read_text())
    only_file(home).write_text(json.dumps(fields | {"start": "changed by hand"}))
    assert StoredAngles(home)(MODEL, "x", 1).start == "changed by hand"


@pytest.mark.parametrize("content", ["", "{}", '{"angles": [1]}', '{"angles": [NaN, 0]}', "[]"])
def test_a_damaged_file_is_made_anew(home: Home, content: str) -> None:
    first = StoredAngles(home)(MODEL, "x", 1)
    only_file(home).write_text(content)
    assert np.array_equal(StoredAngles(home)(MODEL, "x", 1).angles, first.angles)
    assert json.loads(only_file(home).read_text())["start"] == first.start


def test_everything_that_decides_the_angles_is_in_the_name() -> None:
    other = make_reduced_model(ising([0.5, 0.0, -1.0, 0.25], {(0, 1): 1.0, (1, 2): -2.0, (2, 3): 0.75}), 2)
    names = {
        content_hash(*question) for question in [(MODEL, "x", 1), (MODEL, "x", 2), (MODEL, "xy", 1), (other, "x", 1)]
    }
    names |= {content_hash(MODEL, "x", 1, "cvar"), content_hash(MODEL, "x", 1, "cvar", 0.2)}
    assert len(names) == 6


def test_angles_for_another_objective_are_others(home: Home) -> None:
    usual, tail = StoredAngles(home)(MODEL, "x", 1), StoredAngles(home, "cvar", 0.3)(MODEL, "x", 1)
    assert usual.optimum_probability > tail.optimum_probability
    assert tail.tail_fraction == 0.3
