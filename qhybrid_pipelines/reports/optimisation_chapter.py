"""An optimisation as a chapter of the page: its words and tables, and the figures that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qhybrid_pipelines.core.vocabulary.verdicts import Verdict as VerdictWord
from qhybrid_pipelines.reports.blocks import Chapter, Section, Verdict, records_table, transposed_table
from qhybrid_pipelines.reports.common_sections import build_chapter, how_to_reproduce, money_and_time
from qhybrid_pipelines.reports.content import (
    AnswerContent,
    ExecutionContent,
    OptimisationContent,
    RandomReference,
    SolverSeries,
)
from qhybrid_pipelines.reports.expectation_sections import estimates_section, loop_section
from qhybrid_pipelines.reports.figures.best_of_shots import best_of_shots
from qhybrid_pipelines.reports.figures.objectives import objective_histogram
from qhybrid_pipelines.reports.figures.outcomes import top_outcomes
from qhybrid_pipelines.reports.figures.solver_results import row_name, solver_results
from qhybrid_pipelines.reports.figures.style import Drawing
from qhybrid_pipelines.reports.figures.sweep import sweep
from qhybrid_pipelines.reports.optimisation_sentences import expectation_sentence, gain_sentence
from qhybrid_pipelines.reports.record_sections import (
    calibration_section,
    circuit_section,
    provenance_section,
    reduction_section,
    sensitivity_section,
)
from qhybrid_pipelines.reports.words import (
    count,
    listing,
    show,
    show_interval,
    show_percent,
    with_interval,
)

TONES = {
    VerdictWord.QUANTUM_BETTER: "good",
    VerdictWord.TIE: "even",
    VerdictWord.CLASSICAL_BETTER: "bad",
    VerdictWord.INCONCLUSIVE: "open",
    VerdictWord.SOLVED_BY_REDUCTION: "even",
    VerdictWord.REDUCED_MODEL_CEILING: "bad",
    VerdictWord.NOISE_LIKE: "bad",
    VerdictWord.NO_BETTER: "even",
    VerdictWord.NO_HEADROOM: "even",
}
#: Distributions are drawn for so many backends; the tables have all.
MAX_DISTRIBUTIONS = 4
MAX_POINT_ROWS = 24


def optimisation_chapter(content: OptimisationContent) -> Chapter:
    """Return the chapter of an optimisation, with the parts that are there."""
    sections = [
        _results(content),
        _solvers(content),
        _sweep(content),
        loop_section(content),
        estimates_section(row for execution in content.executions for row in execution.estimates),
        _distribution(content),
        circuit_section(content),
        sensitivity_section(content),
        reduction_section(content),
        money_and_time(content),
        calibration_section(content),
        _answers(content),
        provenance_section(content),
        how_to_reproduce(content),
    ]
    return build_chapter(
        content,
        question=_question(content),
        verdicts=merge_verdicts([_verdict(content, execution) for execution in content.executions]),
        sections=sections,
    )


def _question(content: OptimisationContent) -> str:
    goal = "largest" if content.sense == "max" else "smallest"
    if content.instance is None:
        return f"{content.title}: which assignment has the {goal} {content.unit}? The problem has not been read yet."
    instance = content.instance
    size = count(instance["n_variables"], "binary variable")
    known = "" if instance["best_known"] is None else f" The best known value is {show(instance['best_known'])}."
    return (
        f"{content.title}: which assignment of the {size} of `{instance['instance']}` has the {goal} {content.unit}, and "
        f"does a quantum circuit find it better than classical solvers do?{known}"
    )


def _verdict(content: OptimisationContent, execution: ExecutionContent) -> Verdict:
    comparison = execution.comparison
    if comparison is None:
        return Verdict(
            place=execution.backend,
            word="not decided",
            tone="open",
            sentence="There is no verdict on this backend yet.",
        )
    noise = (
        "No point of the sweep beat random samples: what the circuit contributed is noise, and a good answer is owed to "
        "post-processing."
    )
    return Verdict(
        place=execution.backend,
        word=comparison["verdict"].replace("_", " "),
        tone=TONES[VerdictWord(comparison["verdict"])],
        sentence=comparison["reason"],
        interval=" ".join(filter(None, [gain_sentence(comparison, content.unit), expectation_sentence(comparison)])),
        warning=noise if comparison["noise_like"] else "",
    )


def merge_verdicts(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """Yield verdicts, those that say the same as one that names every place."""
    places: dict[Verdict, list[str]] = {}
    for verdict in verdicts:
        places.setdefault(replace(verdict, place=""), []).append(verdict.place)
    for verdict, named in places.items():
        yield replace(verdict, place=listing(named))


def _results(content: OptimisationContent) -> Section | None:
    records = [_result_row(execution) for execution in content.executions if execution.comparison is not None]
    if not records:
        return None
    facts = (
        ("verdict", "Verdict"),
        ("best_quantum_raw", "Best as measured"),
        ("above_random", "Above random (95 % interval)"),
        ("optimum_share", "Optimum per shot of the best point (95 % interval)"),
        ("random_optimum_share", "the same at random"),
        ("shots_to_99", "Shots of this point to hit it with 99 %"),
        ("random_shots_to_99", "the same at random"),
        ("p_feasible", "Feasible shots"),
        ("best_quantum", "Best after post-processing"),
        ("best_classical", "Best classical"),
        ("best_solver", "Best classical solver"),
        ("reference", "Best known"),
        ("gain", "Mean gain over it (95 % interval)"),
        ("success", "Runs at the best known value"),
    )
    return Section(
        name="results",
        heading="What the circuit itself did, and the result",
        paragraphs=(
            (
                "As measured is before any post-processing; above random is 0 for random outcomes, 1 for the best known value. Of the best point, optimum "
                "per shot counts the reduced model's optimum; `qhybrid run` counts shots of all points until the instance's best known value."
            ),
        ),
        tables=(transposed_table("results", f"Results in {content.unit}", facts, records, heading="backend"),),
    )


def _result_row(execution: ExecutionContent) -> dict[str, object]:
    comparison = execution.comparison or {}
    row: dict[str, object] = {
        "backend": execution.backend,
        **{name: comparison[name] for name in ("best_quantum_raw", "best_quantum", "best_classical", "reference")},
        "verdict": comparison["verdict"].replace("_", " ") + (", noise" if comparison["noise_like"] else ""),
        "best_solver": comparison["best_solver"],
        "p_feasible": None if comparison["p_feasible"] is None else show_percent(comparison["p_feasible"]),
        "success": f"{comparison['success_runs']} of {comparison['runs']}" if comparison["runs"] else None,
    }
    if comparison["gain"] is not None:
        row["gain"] = with_interval(
            show(comparison["gain"]), show(comparison["gain_low"]), show(comparison["gain_high"])
        )
    return row | best_point_facts(execution)


def best_point_facts(execution: ExecutionContent) -> dict[str, object]:
    """Return what raw shots of the best point did, as text by field; empty where nothing was measured."""
    best = execution.best
    if best is None:
        return {}
    never = "" if best.optimum_hits else "more than "
    facts: dict[str, object] = {
        "optimum_share": with_interval(
            show_percent(best.share), show_percent(best.share_low), show_percent(best.share_high)
        ),
        "random_optimum_share": "not known" if best.random_share is None else show_percent(best.random_share),
        "shots_to_99": f"{never}{show(round(best.shots_to_99))}",
        "random_shots_to_99": "not known" if best.random_shots_to_99 is None else show(round(best.random_shots_to_99)),
    }
    if best.above_random is not None:
        low, high = best.above_random_low, best.above_random_high
        bounds = (None, None) if low is None or high is None else (f"{low:.3f}", f"{high:.3f}")
        facts["above_random"] = with_interval(f"{best.above_random:.3f}", *bounds)
    return facts


def _solvers(content: OptimisationContent) -> Section | None:
    if not any(series.objectives for series in content.solvers):
        return None
    several = len(content.executions) > 1
    solvers = [series for series in content.solvers if not _says_nothing_new(series, content.solvers)]
    records = []
    for series in solvers:
        values = series.objectives
        records.append(
            {
                "solver": row_name(series, several_backends=several).replace("\n", ", "),
                "runs": series.runs,
                "feasible_runs": len(values),
                "best": (max(values) if content.sense == "max" else min(values)) if values else None,
                "mean": sum(values) / len(values) if values else None,
                "worst": (min(values) if content.sense == "max" else max(values)) if values else None,
            }
        )
    columns = (
        ("solver", "Solver"),
        ("best", "Best"),
        ("mean", "Mean"),
        ("worst", "Worst"),
        ("feasible_runs", "Feasible runs"),
        ("runs", "Runs"),
    )
    return Section(
        name="solvers",
        heading="Every solver on the same instance",
        drawings=(
            solver_results(
                solvers,
                unit=content.unit,
                sense=content.sense,
                reference=_reference(content),
                several_backends=several,
            ),
        ),
        tables=(records_table("solvers", f"Objectives over runs, in {content.unit}", columns, records),),
    )


def _says_nothing_new(series: SolverSeries, solvers: Sequence[SolverSeries]) -> bool:
    """Tell whether a series is what was repaired where there was nothing to repair."""
    return series.name == "quantum+repair" and any(
        other.name == "quantum" and (other.backend, other.objectives) == (series.backend, series.objectives)
        for other in solvers
    )


def _lowest(random: RandomReference) -> str:
    """Return what is known of the lowest energy, as the end of a sentence."""
    energy = show(random.minimum_energy)
    if random.optimum_share is None:
        return f"the lowest known is {energy}, and whether there is a lower one nobody knows."
    return f"none has less than {energy}."


def _sweep(content: OptimisationContent) -> Section | None:
    measured = [execution for execution in content.executions if execution.sweep is not None]
    if not measured or content.random is None:
        return None
    curves = [(one.backend, one.best_of_shots) for one in measured if one.best_of_shots is not None]
    rows = max(3, MAX_POINT_ROWS // len(measured))
    records = [
        {
            "backend": series.backend,
            "point": int(series.point[place]),
            "mean_energy": float(series.mean_energy[place]),
            "energy_interval": _interval_text(float(series.energy_low[place]), float(series.energy_high[place])),
            "optimum_share": show_percent(float(series.optimum_share[place])),
        }
        for series in (execution.sweep for execution in measured)
        if series is not None
        for place in series.mean_energy.argsort(kind="stable")[:rows].tolist()
    ]
    more = any(one.sweep is not None and len(one.sweep.point) > rows for one in measured)
    columns = (
        ("backend", "Backend"),
        ("point", "Point"),
        ("mean_energy", "Mean energy"),
        ("energy_interval", "95 % interval"),
        ("optimum_share", "Optimum per shot"),
    )
    caption = f"The {rows} best points of each backend" if more else "Points of the sweep, best first"
    places: dict[int, list[str]] = {}
    for one in measured:
        if one.best is not None:
            places.setdefault(one.best.point, []).append(one.backend)
    best = "; ".join(f"{point} on {listing(backends)}" for point, backends in places.items())
    return Section(
        name="sweep",
        heading="The sweep, and how fast shots converge",
        paragraphs=(
            (
                f"The best point is the one with the lowest mean energy: {best}. Random outcomes have a mean energy of "
                f"{show(content.random.mean_energy)}; {_lowest(content.random)}"
            ),
        ),
        drawings=(
            sweep([one.sweep for one in measured if one.sweep is not None], content.random),
            *([best_of_shots(curves, content.random)] if curves else []),
        ),
        tables=(records_table("points", caption, columns, records),),
    )


def _interval_text(low: float, high: float) -> str | None:
    return None if low != low else show_interval(low, high)  # noqa: PLR0124  NaN: one run says nothing about it


def _distribution(content: OptimisationContent) -> Section | None:
    measured = [execution for execution in content.executions if execution.top_outcomes]
    if not measured or content.random is None:
        return None
    drawings: list[Drawing] = []
    for execution in measured[:MAX_DISTRIBUTIONS]:
        drawings.append(
            top_outcomes(execution.top_outcomes, uniform=content.random.outcome_share, backend=execution.backend)
        )
        if execution.histogram is not None:
            drawings.append(
                objective_histogram(
                    execution.histogram,
                    unit=content.unit,
                    sense=content.sense,
                    reference=None if execution.comparison is None else execution.comparison["reference"],
                    backend=execution.backend,
                )
            )
    records = [
        {
            "backend": execution.backend,
            "bits": one.bits,
            "count": one.count,
            "share": show_percent(one.share),
            "energy": one.energy,
            "optimal": one.optimal,
        }
        for execution in measured
        for one in execution.top_outcomes[:5]
    ]
    columns = (
        ("backend", "Backend"),
        ("bits", "Outcome"),
        ("count", "Shots"),
        ("share", "Share"),
        ("energy", "Energy"),
        ("optimal", "Optimal"),
    )
    left_out = len(measured) - MAX_DISTRIBUTIONS
    return Section(
        name="distribution",
        heading="What was measured",
        paragraphs=(f"{count(left_out, 'further backend')} in the table only.",) if left_out > 0 else (),
        drawings=tuple(drawings),
        tables=(records_table("outcomes", "Most frequent outcomes at the best point", columns, records),),
    )


def _answers(content: OptimisationContent) -> Section | None:
    backends: dict[AnswerContent, list[str]] = {}
    for execution in content.executions:
        if execution.answer is not None:
            backends.setdefault(execution.answer, []).append(execution.backend)
    if not backends:
        return None
    paragraphs, tables = [], []
    for answer, named in backends.items():
        broken = "" if answer.feasible else f" It breaks a constraint: {answer.violation}."
        paragraphs.append(
            f"The current answer on {listing(named)} is worth {show(answer.objective)} {answer.unit}, found by "
            f"{answer.source.replace('_', ' ')}.{broken}"
            + (f" In short: {answer.description}." if answer.description else "")
        )
        records = [
            {"meaning": words, "number": len(names), "variables": ", ".join(names)} for words, names in answer.groups
        ]
        columns = (("meaning", "Meaning"), ("number", "How many"), ("variables", "Variables"))
        tables.append(records_table("answer", f"The answer on {listing(named)}", columns, records))
    return Section(name="answer", heading="The answer in names", paragraphs=tuple(paragraphs), tables=tuple(tables))


def _reference(content: OptimisationContent) -> float | None:
    return next(
        (one.comparison["reference"] for one in content.executions if one.comparison is not None),
        None if content.instance is None else content.instance["best_known"],
    )
