"""Sections of an optimisation that are a record: circuit, sensitivity, reduction, calibration, provenance."""

from __future__ import annotations

import json

from qhybrid_pipelines.core.vocabulary.sensitivity_words import sensitivity_sentence
from qhybrid_pipelines.reports.blocks import CodeBlock, Section, facts_table, records_table, transposed_table
from qhybrid_pipelines.reports.content import OptimisationContent, Row
from qhybrid_pipelines.reports.words import count, show, show_seconds


def circuit_section(content: OptimisationContent) -> Section | None:
    """Return the circuit that was sent; None where there is none yet."""
    execution = next((one for one in content.executions if one.batch is not None), None)
    if execution is None or execution.batch is None:
        return None
    batch = execution.batch
    if batch.get("annealing"):
        return _annealing_section(batch)
    facts = facts_table(
        "circuit",
        "The template, the same for every backend",
        [
            ("ansatz", "Kind", batch["ansatz"].replace("_", " ")),
            ("mixer", "Mixer", batch["mixer"]),
            ("n_qubits", "Qubits", batch["n_qubits"]),
            ("depth", "Depth before compilation", batch["depth"]),
            ("two_qubit_gates", "Two-qubit gates before compilation", batch["two_qubit_gates"]),
            ("points", "Parameter points", batch["points"]),
            ("repetitions", "Runs", batch["repetitions"]),
            ("shots", "Shots per point and run", batch["shots"]),
        ],
    )
    drawing = (CodeBlock(name="circuit", caption="The circuit", text=execution.circuit),) if execution.circuit else ()
    return Section(name="circuit", heading="The circuit", tables=(facts,), codes=drawing)


def _annealing_section(batch: Row) -> Section:
    """Return what was annealed in place of a circuit."""
    said = json.loads(batch["annealing"])
    if "time_limit_seconds" in said:
        return _hybrid_section(batch, said["time_limit_seconds"])
    chains = [len(chain) for chain in said["embedding"]["chains"]]
    facts = facts_table(
        "annealing",
        "The model and its embedding",
        [
            ("n_variables", "Variables", batch["n_qubits"]),
            ("n_qubits", "Qubits that stand for them", sum(chains)),
            ("longest_chain", "Longest chain", max(chains)),
            ("graph_id", "Qubit graph", said["embedding"]["graph_id"]),
            ("points", "Settings", batch["points"]),
            ("repetitions", "Runs", batch["repetitions"]),
            ("shots", "Reads per setting and run", batch["shots"]),
        ],
    )
    settings = zip(said["annealing_times"], said["chain_strengths"], said["gauges"], strict=True)
    columns = (("point", "Point"), ("time", "Annealing time (us)"), ("strength", "Chain strength"), ("gauge", "Gauge"))
    records = [
        {"point": point, "time": show(time), "strength": show(strength), "gauge": gauge}
        for point, (time, strength, gauge) in enumerate(settings)
    ]
    table = records_table("settings", "Settings, chain strength as a factor of Ocean's default", columns, records)
    return Section(name="circuit", heading="What was annealed", tables=(facts, table))


def _hybrid_section(batch: Row, time_limit: float) -> Section:
    """Return what a hybrid solver was given: it has no embedding, no chains and no shots."""
    facts = facts_table(
        "hybrid",
        "The model, and how long the hybrid solver may work on it",
        [
            ("n_variables", "Variables", batch["n_qubits"]),
            ("time_limit_seconds", "Time limit of a run (s)", show(time_limit)),
            ("repetitions", "Runs, one answer each", batch["repetitions"]),
        ],
    )
    return Section(name="circuit", heading="What the hybrid solver was given", tables=(facts,))


def reduction_section(content: OptimisationContent) -> Section | None:
    """Return what reduction did; None before it ran."""
    if content.reduced_model is None or content.instance is None:
        return None
    model = content.reduced_model
    records = [
        {**step, "seconds": show_seconds(seconds)}
        for step, seconds in zip(model["reduction_steps"], model["step_seconds"], strict=True)
    ]
    columns = (
        ("step_name", "Step"),
        ("variables_fixed", "Fixed"),
        ("variables_left", "Left"),
        ("exact", "Keeps an optimum"),
        ("seconds", "Time"),
        ("note", "In words"),
    )
    if model["solved_by_reduction"]:
        what = "nothing, and the answer is proved: no circuit was needed"
    elif not model["n_qubits"]:
        what = f"nothing: none of {count(model['windows_tried'], 'window')} holds anything better than what was known"
    else:
        what = count(model["n_qubits"], "qubit")
    exact = "Every step keeps an optimum" if model["exact"] else "Not every step keeps an optimum"
    return Section(
        name="reduction",
        heading="What classical reduction did first",
        paragraphs=(
            (
                f"{count(content.instance['n_variables'], 'variable')} became {what}. {exact}: the best of the reduced model is worth "
                f"{show(model['reduced_model_optimum'])} {content.unit}; {show(model['incumbent_objective'])} was known before anything "
                f"quantum (from {model['incumbent_source']})."
            ),
        ),
        tables=(records_table("reduction_steps", "Steps of the reduction", columns, records),),
    )


def sensitivity_section(content: OptimisationContent) -> Section | None:
    """Return what each angle does to the mean energy; None where no circuit of QAOA was planned."""
    found = [one for one in content.executions if one.sensitivity]
    if not found:
        return None
    columns = (
        ("angle", "Angle"),
        ("value", "Value (rad)"),
        ("gradient", "Gradient"),
        ("curvature", "Curvature"),
        ("step", "Neighbour (rad)"),
        ("difference", "Its mean energy less this one's"),
        ("shots_to_tell", "Shots of each to tell them apart"),
    )
    figures = ("value", "gradient", "curvature", "step", "difference")
    records = [{**row, **{name: show(row[name]) for name in figures}} for row in found[0].sensitivity]
    return Section(
        name="sensitivity",
        heading="How much the angles matter",
        paragraphs=tuple(f"{one.backend}: {sensitivity_sentence(one.sensitivity)}." for one in found),
        tables=(
            records_table(
                "sensitivity",
                "The first point, exact and without noise, the same for every backend; energies in cost units of the model",
                columns,
                records,
            ),
        ),
    )


def calibration_section(content: OptimisationContent) -> Section | None:
    """Return the calibrations that the executions ran under; None for ideal simulators."""
    windows = [(one.backend, one.calibration) for one in content.executions if one.calibration is not None]
    if not windows:
        return None
    records = []
    for backend, window in windows:
        measured_at = window.row.get("measured_at")
        age = None if measured_at is None or window.ran_at is None else (window.ran_at - measured_at).total_seconds()
        records.append(
            {
                **window.row,
                "backend": backend,
                "calibration_id": str(window.row["calibration_id"])[:12],
                "ran_at": window.ran_at,
                "age": None if age is None else show_seconds(age) if age >= 0 else "measured afterwards",
                "valid_until": window.valid_until,
            }
        )
    facts = (
        ("calibration_id", "Calibration"),
        ("measured_at", "Measured"),
        ("ran_at", "First job written down"),
        ("age", "Age of the calibration then"),
        ("valid_until", "Next one measured"),
        ("two_qubit_error", "Error of two-qubit gates"),
        ("one_qubit_error", "Error of one-qubit gates"),
        ("readout_error", "Error of readout"),
        ("t1_us", "T1 (\N{MICRO SIGN}s)"),
        ("t2_us", "T2 (\N{MICRO SIGN}s)"),
    )
    return Section(
        name="calibration",
        heading="The calibration it ran under",
        paragraphs=("Errors and times are medians over the device.",),
        tables=(transposed_table("calibrations", "Calibration windows", facts, records, heading="backend"),),
    )


def provenance_section(content: OptimisationContent) -> Section | None:
    """Return all that says why a number changed; None before anything ran."""
    found = [one.provenance for one in content.executions if one.provenance is not None]
    if not found:
        return None
    what_ran = (
        ("ran_on", "Ran on"),
        ("engine", "Engine"),
        ("engine_version", "Version"),
        ("job_id", "First job"),
        ("jobs", "Jobs"),
        ("template_id", "Circuit, SHA-256"),
        ("payload_sha256", "Request, SHA-256"),
        ("compiled_depth", "Compiled depth"),
        ("compiled_two_qubit_gates", "Compiled two-qubit gates"),
        ("result_sha256", "Raw result, SHA-256"),
        ("queue_seconds", "Queue (s)"),
        ("execute_seconds", "Execution (s)"),
    )
    short = ("template_id", "payload_sha256", "result_sha256")
    records = [{**row, **{name: row[name] and row[name][:12] for name in short}} for row in found]
    first = found[0]
    packages = json.loads(first["packages"])
    facts = facts_table(
        "provenance_facts",
        "Code and machine",
        [
            ("git_revision", "Revision of the code", first["git_revision"] and first["git_revision"][:12]),
            ("git_dirty", "With uncommitted changes", first["git_dirty"]),
            ("instance_sha256", "Instance, SHA-256", first["instance_sha256"][:12]),
            ("seed", "Seed", str(first["seed"])),
            ("python", "Python", first["python"]),
            ("platform", "Machine", first["platform"]),
            ("packages_sha256", "All packages, SHA-256", first["packages_sha256"][:12]),
            ("packages", "Packages that decide results", ", ".join(f"{k} {v}" for k, v in packages.items())),
            ("recorded_at", "Recorded", first["recorded_at"]),
        ],
    )
    return Section(
        name="provenance",
        heading="Provenance",
        tables=(transposed_table("provenance", "What ran where", what_ran, records, heading="backend"), facts),
    )
