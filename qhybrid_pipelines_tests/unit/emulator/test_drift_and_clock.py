"""The emulated time never steps back; characterizations drift, are dated, and are the same for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.emulator.clock import Clock, Stretch, stamp
from qhybrid_pipelines.emulator.drift import WORST, CharacterizationHistory
from qhybrid_pipelines.emulator.machines import MACHINES

ARIA = MACHINES["qpu.aria-1"]


@given(
    steps=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
    speed=st.floats(0.1, 1e6),
)
def test_time_never_steps_back_whatever_the_wall_does(steps: list[float], speed: float) -> None:
    wall = [1_000_000.0]
    clock = Clock(Stretch(virtual_seconds=5.0, real_seconds=wall[0], speed=speed), lambda: wall[0])
    seen = []
    for step in steps:
        wall[0] += step
        seen.append(clock.now())
    assert seen == sorted(seen)


def test_time_runs_on_while_the_process_is_away_and_a_new_speed_begins_where_it_is() -> None:
    wall = [100.0]
    first = Clock(Stretch(virtual_seconds=0.0, real_seconds=100.0, speed=60.0), lambda: wall[0])
    wall[0] = 110.0
    assert first.now() == 600.0
    wall[0] = 120.0  # ten real seconds without a process
    again = Clock(first.stretch, lambda: wall[0])
    again.stretch = again.restarted(1.0)
    assert again.now() == 1200.0
    wall[0] = 130.0
    assert again.now() == 1210.0


def test_advancing_adds_exactly_that() -> None:
    clock = Clock(Stretch(virtual_seconds=7.0, real_seconds=50.0, speed=2.0), lambda: 50.0)
    clock.advance(3600.0)
    assert clock.now() == 3607.0


@given(st.floats(0, 4e9))
def test_stamps_read_back(moment: float) -> None:
    assert abs(datetime.fromisoformat(stamp(moment)).timestamp() - moment) < 0.0011


def test_stamp_is_utc_with_milliseconds() -> None:
    moment = datetime(2026, 5, 28, 20, 47, 5, 440_000, tzinfo=UTC).timestamp()
    assert stamp(moment) == "2026-05-28T20:47:05.440Z"


def history(seed: int = 7) -> CharacterizationHistory:
    return CharacterizationHistory(ARIA, seed=seed, began_at=1000.0, every_seconds=3600.0)


def test_a_characterization_is_a_function_of_seed_and_number() -> None:
    late, early = history(), history()
    far = late.characterization(500)
    assert [early.characterization(number) for number in (0, 3, 500)] == [
        late.characterization(0),
        late.characterization(3),
        far,
    ]
    assert history(8).characterization(3) != late.characterization(3)
    assert len({late.characterization(number).id for number in range(200)}) == 200


def test_characterizations_are_dated_and_the_one_in_force_is_the_last_before_now() -> None:
    drifting = history()
    assert drifting.at(1000.0).measured_at == 1000.0
    assert drifting.at(1000.0 + 3599.0) == drifting.characterization(0)
    assert drifting.at(1000.0 + 3600.0).measured_at == 4600.0
    assert drifting.find(drifting.characterization(2).id, 1000.0 + 2 * 3600.0) == drifting.characterization(2)
    assert drifting.find(drifting.characterization(3).id, 1000.0 + 2 * 3600.0) is None, "not measured yet"
    assert drifting.last_before(1000.0) == -1
    assert drifting.last_before(1000.1) == 0
    assert drifting.last_before(4600.0) == 0


def test_errors_wander_but_stay_within_their_bounds() -> None:
    drifting = history()
    average_fidelity = ARIA.average_fidelity
    assert average_fidelity is not None
    errors = np.array([1 - drifting.characterization(number).fidelity.two_qubit for number in range(400)])
    factors = errors / (1 - average_fidelity.two_qubit)
    assert factors.min() >= 1 / WORST - 1e-3
    assert factors.max() <= WORST + 1e-3
    assert factors.max() / factors.min() > 2, "it does wander"
    assert np.abs(np.diff(np.log(factors))).max() < 1, "but not by leaps"


@pytest.mark.parametrize("name", ["qpu.aria-1", "qpu.forte-1"])
def test_all_fidelities_are_probabilities(name: str) -> None:
    drifting = CharacterizationHistory(MACHINES[name], seed=1, began_at=0.0, every_seconds=1.0)
    for number in range(100):
        fidelity = drifting.characterization(number).fidelity
        assert all(0.5 < value < 1 for value in (fidelity.one_qubit, fidelity.two_qubit, fidelity.spam))
