"""`sweep: {strategy: optimise, …}` as people write it: what is usual, what is refused, and keys that stay as they were."""

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.specification_text import read_specification

PAGE = """name: loop
problem: {{family: maxcut, source: networkx:petersen}}
sweep: {{{}}}
"""


def parse(sweep):
    return read_specification(PAGE.format(sweep), file="loop.yaml")[0]


def test_what_is_usual():
    sweep = parse("strategy: optimise").sweep
    assert (sweep.optimiser, sweep.steps, sweep.points, sweep.objective, sweep.alpha) == ("cobyla", 16, 1, "cvar", 0.1)
    assert parse("strategy: optimise, optimiser: spsa").sweep.points == 2
    assert parse("strategy: optimise, optimiser: bayesian, points: 4").sweep.points == 4
    written = parse("strategy: optimise, optimiser: cobyla, steps: 16, points: 1, objective: cvar")
    assert experiment_key(written) == experiment_key(parse("strategy: optimise"))


def test_other_sweeps_say_nothing_of_loops():
    fields = parse("strategy: ramp, points: 4").model_dump(mode="json")["sweep"]
    assert {"optimiser", "steps"}.isdisjoint(fields)
    assert "objective" not in parse("strategy: auto").model_dump(mode="json")["sweep"]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("strategy: optimise, optimiser: cobila", ["sweep.optimiser", "cobyla"]),
        ("strategy: optimize", ["sweep.strategy", "optimise"]),
        ("strategy: optimise, steps: 0", ["sweep.steps", "1"]),
        ("strategy: optimise, steps: many", ["sweep.steps"]),
        ("strategy: optimise, points: 3", ["cobyla asks for one point a step", "bayesian"]),
        ("strategy: optimise, optimiser: spsa, points: 3", ["spsa asks for pairs"]),
        ("strategy: optimise, objective: optimum", ["does not show in the shots", "cvar"]),
        ("strategy: ramp, steps: 4", ["only used by strategy 'optimise'"]),
        ("strategy: ramp, optimiser: spsa", ["only used by strategy 'optimise'"]),
        ("strategy: optimise, center: [0.1, 0.2]", ["sweep.center", "4 angles"]),
    ],
)
def test_what_is_refused_says_how_it_is_written(sweep, words):
    with pytest.raises(InvalidInput) as caught:
        parse(sweep)
    message = str(caught.value)
    assert all(word in message for word in words), message
