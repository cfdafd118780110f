"""The page from content made by hand: names of others stay text, any part may be missing, and nothing is ever loaded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from qhybrid_pipelines.core.vocabulary.verdicts import Verdict
from qhybrid_pipelines.reports.comparison_chapter import differing_fields
from qhybrid_pipelines.reports.content import (
    AnswerContent,
    BestPoint,
    ExecutionContent,
    OptimisationContent,
    Progress,
    RandomReference,
    SolverSeries,
    TopOutcome,
)
from qhybrid_pipelines.reports.optimisation_chapter import TONES
from qhybrid_pipelines.reports.optimisation_sentences import expectation_sentence
from qhybrid_pipelines.reports.page import anchor, chapters, render_page
from qhybrid_pipelines_tests.support.report_pages import ReportPage

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
#: Markup, a script, an attribute's end, a template's, mathematics, and characters that turn the order of letters.
HOSTILE = "</td><script>alert(1)</script>\"'>{{ 7 * 7 }}{% raw %}`$\\frac$`\u202e\x1b[31m"
COMPARISON = {
    "verdict": "tie",
    "reason": f"Because of {HOSTILE}.",
    "best_solver": HOSTILE,
    "best_quantum": 4.0,
    "best_quantum_raw": 3.0,
    "best_classical": 4.0,
    "reference": 4.0,
    "gain": 0.0,
    "gain_low": -0.5,
    "gain_high": 0.5,
    "margin": 0.004,
    "runs": 10,
    "success_runs": 7,
    "p_feasible": 0.5,
    "noise_like": True,
    "optimised_expectation": -3.75,
    "reached_expectation": -3.25,
    "depth_reason": f"1 layer: {HOSTILE}",
}
BEST = BestPoint(
    point=0,
    optimum_hits=1,
    shots=10,
    share=0.1,
    share_low=0.01,
    share_high=0.4,
    shots_to_99=43.7,
    random_share=0.125,
    random_shots_to_99=34.5,
    above_random=0.25,
    above_random_low=0.125,
    above_random_high=0.375,
)
EXECUTION = ExecutionContent(
    backend="local:auto",
    comparison=COMPARISON,
    best=BEST,
    top_outcomes=(TopOutcome(bits="01", count=1, share=0.1, low=0.01, high=0.4, energy=-4.0, optimal=True),),
    answer=AnswerContent(
        source=HOSTILE,
        objective=4.0,
        unit="cut weight",
        feasible=False,
        violation=HOSTILE,
        groups=(("... is on side 1", (HOSTILE, "b")), ("... is on side 0", ())),
    ),
    circuit=f"q[0]: {HOSTILE}",
    batch={
        "ansatz": "file",
        "mixer": "",
        "n_qubits": 2,
        "depth": 1,
        "two_qubit_gates": 0,
        "points": 1,
        "repetitions": 10,
        "shots": 1,
    },
)
CONTENT = OptimisationContent(
    key="maxcut-square-01234567",
    name="maxcut square",
    family="maxcut",
    registered_at=NOON,
    specification={"name": "maxcut square", "problem": {"source": HOSTILE}},
    progress=Progress(decided=False, sentences=(f"Stopped by {HOSTILE}.",), failed=False),
    jobs=(),
    budget_usd=0.0,
    title="Maximum cut",
    sense="max",
    unit="cut weight",
    instance={"instance": HOSTILE, "n_variables": 2, "best_known": None, "content_sha256": "a" * 64},
    random=RandomReference(
        mean_energy=-1, minimum_energy=-4, optimum_share=0.125, outcome_share=0.25, cardinality=None
    ),
    solvers=(SolverSeries(name=HOSTILE, quantum=False, objectives=(3.0, 4.0), runs=2),),
    executions=(EXECUTION,),
)


def read(*contents):
    text = render_page(chapters(contents), made_at=NOON)
    return text, ReportPage(text)


def test_what_others_wrote_is_text_and_steers_nothing():
    text, page = read(CONTENT)
    assert page.unclosed == []
    assert not {"script", "b", "img"} & set(page.tags)
    assert page.text.count("</td><script>alert(1)</script>\"'>{{ 7 * 7 }}{% raw %}") >= 8
    assert [character for character in text if character in "\u202e\x1b"] == []
    assert "\\u202e" in page.text


def test_a_browser_is_forbidden_to_load_or_run_anything():
    text, page = read(CONTENT)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert [address for address in page.addresses if not address.startswith("#")] == []


def test_the_page_of_the_same_content_is_the_same():
    assert read(CONTENT)[0] == read(CONTENT)[0]


def test_the_verdict_has_its_interval_and_noise_is_named():
    _, page = read(CONTENT)
    assert "0 cut weight (95 % interval -0.5 to 0.5, 10 paired runs; more than 0.004 counts as better)" in page.text
    assert "what the circuit contributed is noise" in page.text
    shown = page.columns("results")["local:auto"]
    assert shown["verdict"] == "tie, noise"
    assert shown["above_random"] == "0.250 (0.125 to 0.375)"
    assert shown["optimum_share"] == "10 % (1 % to 40 %)"
    assert shown["success"] == "7 of 10"


def test_an_answer_that_breaks_a_constraint_says_which():
    _, page = read(CONTENT)
    assert "It breaks a constraint: " in page.text
    assert page.records("answer")[0]["number"] == "2"


def test_a_circuit_that_never_hit_the_optimum_needs_more_shots_than_that():
    never = replace(BEST, optimum_hits=0, share=0.0, share_low=0.0)
    _, page = read(replace(CONTENT, executions=(replace(EXECUTION, best=never),)))
    assert page.columns("results")["local:auto"]["shots_to_99"] == "more than 44"


@pytest.mark.parametrize("part", ["comparison", "best", "answer", "circuit", "batch", "top_outcomes"])
def test_a_part_that_is_not_there_yet_is_left_out(part):
    missing = () if part == "top_outcomes" else None
    _, page = read(replace(CONTENT, executions=(replace(EXECUTION, **{part: missing}),)))
    assert page.unclosed == []
    assert ("Not decided" in page.text) == (part == "comparison")


@pytest.mark.parametrize("part", ["instance", "random", "solvers", "executions"])
def test_an_experiment_without_one_of_its_tables(part):
    missing = () if part in {"solvers", "executions"} else None
    _, page = read(replace(CONTENT, **{part: missing}))
    assert page.unclosed == []
    assert "How to reproduce it" in page.text


def test_backends_that_say_the_same_share_a_verdict_and_an_answer():
    other = replace(EXECUTION, backend="local:aer-sampler")
    text, page = read(replace(CONTENT, executions=(EXECUTION, other)))
    assert text.count('class="verdict ') == 1
    assert "local:auto and local:aer-sampler" in page.text
    assert len(page.tables["answer"]) == 1


def test_twelve_experiments_are_compared_before_each_has_its_chapter():
    contents = [
        replace(
            CONTENT,
            key=f"maxcut-square-{number:08x}",
            executions=(replace(EXECUTION, comparison=COMPARISON | {"best_quantum": float(number)}),),
            specification={"name": f"n{number}", "shots": 2**number, "problem": {"source": "same"}},
        )
        for number in range(12)
    ]
    _, page = read(*contents)
    assert page.tags.count("article") == 13
    assert [record["shots"] for record in page.records("differences")] == [str(2**number) for number in range(12)]
    assert [record["best_quantum"] for record in page.records("comparison")] == [str(number) for number in range(12)]
    assert "differ in 1 field" in page.text
    assert len(page.ids) == len(set(page.ids))


def test_every_verdict_has_a_tone():
    assert set(TONES) == set(Verdict)


def test_fields_that_differ_are_found_however_deep_they_stand():
    one = {"name": "a", "problem": {"family": "maxcut", "options": {"x": 1}}, "backends": ["local:auto"]}
    other = {"name": "b", "problem": {"family": "maxcut", "options": {"x": 2, "y": 1}}, "backends": ["local:auto"]}
    assert differing_fields([one, other]) == ["problem.options.x", "problem.options.y"]
    assert differing_fields([one, one]) == []


@pytest.mark.parametrize(("text", "name"), [("a-b_c", "a-b-c"), ("Ümlaut 1", "mlaut-1"), ("---", "part")])
def test_anchors(text, name):
    assert anchor(text) == name


def test_the_verdict_says_what_the_depth_can_give_what_was_measured_and_why_this_depth():
    said = expectation_sentence(COMPARISON)
    assert "mean energy -3.75 without noise; -3.25 was measured" in said
    assert said.endswith(f"Depth: 1 layer: {HOSTILE}.")
    assert "Depth" not in expectation_sentence({**COMPARISON, "depth_reason": None})
    for missing in ("optimised_expectation", "reached_expectation"):
        assert expectation_sentence({**COMPARISON, missing: None}) == ""
