"""Every figure draws from little and from odd content; what goes into a page is clean, what goes into a file is whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from qhybrid_pipelines.reports.content import (
    BestOfShots,
    BestPoint,
    JobContent,
    ObjectiveHistogram,
    RandomReference,
    SolverSeries,
    SweepSeries,
    TopOutcome,
)
from qhybrid_pipelines.reports.figures import (
    best_of_shots,
    circuit,
    comparison,
    model_scores,
    objectives,
    outcomes,
    solver_results,
    style,
    sweep,
    training,
    waterfall,
)

RANDOM = RandomReference(mean_energy=-1, minimum_energy=-4, optimum_share=0.1, outcome_share=0.05, cardinality=None)
#: A name that would be mathematics, markup and a script.
HOSTILE = 'x$\\frac{1}$<script>alert(1)</script>"&'


def series(points):
    middle = np.linspace(-2, -3, points)
    low, high = np.full(points, np.nan), np.full(points, np.nan)
    share = np.full(points, 0.2)
    return SweepSeries(
        backend="local:auto",
        point=np.arange(points),
        mean_energy=middle,
        energy_low=low,
        energy_high=high,
        optimum_share=share,
        share_low=share - 0.1,
        share_high=share + 0.1,
    )


def summary(side, low=0.8):
    return {
        "model": HOSTILE,
        "side": side,
        "inputs": "all",
        "backend": None,
        "shots": None,
        "mean": 0.9,
        "low": low,
        "high": low and 0.95,
    }


def job(*stretches):
    row = {"backend": "ionq:simulator", "job_id": "j0123456789abcdef"}
    return JobContent(row=row, cost={}, stretches=stretches, advice="", ended_without_result=False, open=False)


BEST = BestPoint(
    point=0,
    optimum_hits=0,
    shots=10,
    share=0,
    share_low=0,
    share_high=0.3,
    shots_to_99=14.0,
    random_share=0.1,
    random_shots_to_99=44.0,
)
CURVE = BestOfShots(
    shots=np.array([1, 10]),
    measured=np.array([-1.0, -2]),
    low=np.array([-2.0, -3]),
    high=np.array([0.0, -1]),
    random=np.array([-1.0, -1.5]),
)
TOP = TopOutcome(bits="0101", count=5, share=0.5, low=0.2, high=0.8, energy=-4.0, optimal=True)
BARS = ObjectiveHistogram(
    edges=np.array([0.0, 1, 2]),
    measured=np.array([0.4, 0.1]),
    random=np.array([0.2, 0.3]),
    measured_infeasible=0.5,
    random_infeasible=0.5,
    random_drawn=16_384,
)
NAMED = SolverSeries(name=HOSTILE, quantum=False, objectives=(1.0,), runs=1)
DRAWINGS = {
    "solvers": lambda: solver_results.solver_results(
        [
            NAMED,
            SolverSeries(name="quantum", quantum=True, objectives=(1.0, 2.0), runs=3, backend="local:auto"),
            SolverSeries(name="none", quantum=False, objectives=(), runs=2),
        ],
        unit="cut weight",
        sense="max",
        reference=2.0,
        several_backends=True,
    ),
    "sweep of one point": lambda: sweep.sweep([series(1)], RANDOM),
    "long sweep": lambda: sweep.sweep([series(200), series(3)], RANDOM),
    "convergence": lambda: best_of_shots.best_of_shots([("local:auto", CURVE)], RANDOM),
    "outcomes": lambda: outcomes.top_outcomes([TOP], uniform=0.0625, backend="local:auto"),
    "objectives": lambda: objectives.objective_histogram(
        BARS, unit=HOSTILE, sense="min", reference=None, backend="local:auto"
    ),
    "latency": lambda: waterfall.waterfall([job(("queue", 3.0, True), ("execute", 0.5, True), ("fetch", 0.0, False))]),
    "many jobs": lambda: waterfall.waterfall([job(("orchestrate", 1.0, False))] * 40),
    "circuit": lambda: circuit.circuit("q[0]: ─[h]─●─\nq[1]: ─[h]─┼─", name=HOSTILE),
    "training": lambda: training.training({"variational": [[1.0, 0.5, 0.25]], "kernel": [[1.0, 0.7], [0.9, 0.8]]}),
    "models": lambda: model_scores.model_scores([summary("quantum"), summary("control", low=None)], metric="log_loss"),
    "comparison": lambda: comparison.comparison([(HOSTILE, BEST)]),
}


@pytest.fixture(params=DRAWINGS, scope="module")
def drawing(request):
    return DRAWINGS[request.param]()


def test_a_figure_in_a_page_is_well_formed_and_loads_nothing(drawing):
    text = style.to_inline_svg(drawing, "here-1")
    root = ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert root.get("role") == "img"
    assert drawing.title in root.get("aria-label")
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "style", "image", "foreignObject", "metadata"}
    links = [value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")]
    assert [link for link in links if not link.startswith("#here-1-")] == []
    assert "http" not in text


def test_ids_of_two_figures_do_not_meet_and_every_reference_is_there(drawing):
    text = style.to_inline_svg(drawing, "here-1")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) > 0
    assert all(name.startswith("here-1-") for name in ids)
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)) <= {(name, "") for name in ids} | {
        ("", name) for name in ids
    }


def test_the_style_sheet_colours_a_figure_in_a_page(drawing):
    """No fixed colour is left that would vanish on a dark page; white is what Matplotlib draws where nothing is seen."""
    text = style.to_inline_svg(drawing, "here-1")
    assert set(re.findall(r"#[0-9a-f]{6}\b", text)) == set()
    assert set(re.findall(r"var\(--([\w-]+)\)", text)) <= {*style.CSS_VARIABLES.values(), "figure-font"}


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_in_a_file_is_the_same_every_time(drawing, kind, begins):
    content = style.to_file_bytes(drawing, kind)
    assert content.startswith(begins)
    assert style.to_file_bytes(drawing, kind) == content


def test_a_figure_without_anything_to_draw():
    assert waterfall.waterfall([job(), job(("queue", 0.0, True))]) is None


def test_a_user_s_own_settings_of_matplotlib_change_nothing():
    def draw():
        return style.to_file_bytes(DRAWINGS["outcomes"](), "svg")

    before = draw()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": "other"}):
        assert draw() == before
        assert mpl.rcParams["font.size"] == 30
