"""What must hold of finished tables: each function returns what it found wrong, one sentence each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.backend_monitoring.calibrations import stale_calibrations
from qhybrid_pipelines.control.backend_monitoring.canary_jobs import BitOrderCheck, check_bit_orders
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.uncollected_results import describe, uncollected_jobs
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.reporting.next_steps import next_steps
from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.problems.baseline_runs import EXHAUSTIVE, always_on_baselines
from qhybrid_pipelines.problems.canonical_values import canonical_values
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.execute.qpu_result_sets import (
    explain_failed_circuits,
    explain_missing_counts,
    get_current_jobs,
)
from qhybrid_pipelines.steps.operate.ledger_audit import audit_ledger
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, get_row, select_rows
from qhybrid_pipelines.storage.layout import Home

RELATIVE_TOLERANCE = 1e-9


def counts_sum_to_shots(
    executions: Sequence[ExecutionKey],
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    qpu_result_sets: pa.Table,
    dispatcher: Dispatcher,
) -> list[str]:
    """Every point and repetition of every batch holds exactly its shots; none where a deadline passed, or a circuit failed by itself."""
    findings = []
    for backend, key in executions:
        measured = select_rows(qpu_result_sets, key, backend)
        jobs = get_current_jobs(select_rows(qpu_submissions, key, backend).to_pylist(), dispatcher)
        late = explain_missing_counts(jobs)
        if late is not None:
            if measured.num_rows:
                findings.append(f"{key} on {backend}: counts of a part of the batch only. {late}")
            continue
        sums = measured.group_by(["point", "repetition"]).aggregate([("count", "sum")])
        columns = ["first_point", "points", "repetitions", "shots"]
        for batch in select_rows(circuit_batches, key, backend).select(columns).to_pylist():
            first = batch["first_point"] or 0
            inside = pc.and_(pc.greater_equal(sums["point"], first), pc.less(sums["point"], first + batch["points"]))
            own, runs = sums.filter(inside), batch["points"] * batch["repetitions"]
            if own.num_rows > runs or (own.num_rows < runs and explain_failed_circuits(jobs) is None):
                findings.append(f"{key} on {backend}: {own.num_rows} of {runs} runs")
            if not pc.all(pc.equal(own.column("count_sum"), batch["shots"])).as_py():
                findings.append(f"{key} on {backend}: counts do not sum to {batch['shots']} shots")
    return findings


def objectives_recompute(problem_instances: pa.Table, scored_solutions: pa.Table) -> list[str]:
    """Objective and feasibility of every solution equal those of the canonical dimod model at its assignment."""
    findings = []
    for row in problem_instances.to_pylist():
        instance = Instance.from_row(row)
        family = family_named(instance.family)
        model = family.model(instance)
        solutions = select_rows(scored_solutions, row["experiment"]).select(["assignment", "objective", "feasible"])
        if not solutions.num_rows:
            continue
        assignments = np.stack([assignment_array(text) for text in solutions.column("assignment").to_pylist()])
        energies, feasible = canonical_values(model, instance.variables, assignments)
        objectives = solutions.column("objective").to_numpy()
        signed = energies if family.sense == "min" else -energies
        far = np.abs(signed - objectives) > RELATIVE_TOLERANCE * np.maximum(1.0, np.abs(objectives))
        if far.any():
            findings.append(f"{row['experiment']}: {int(far.sum())} objectives differ from the canonical model")
        wrong = feasible != solutions.column("feasible").to_numpy(zero_copy_only=False)
        if wrong.any():
            findings.append(f"{row['experiment']}: {int(wrong.sum())} solutions have the wrong feasibility")
    return findings


def baselines_present(experiments: Iterable[str], baselines: pa.Table) -> list[str]:
    """Every experiment has all the baselines that are always on; enumeration only runs where the reduced model allows it."""
    findings = []
    for key in experiments:
        missing = (
            set(always_on_baselines()) - {EXHAUSTIVE} - set(select_rows(baselines, key).column("solver").to_pylist())
        )
        if missing:
            findings.append(f"{key}: no rows of {', '.join(sorted(missing))}")
    return findings


def within_budget(experiments: pa.Table, submissions: pa.Table) -> list[str]:
    """Quoted cost over all backends of an experiment stays within its budget."""
    findings = []
    for key in sorted(set(submissions.column("experiment").to_pylist())):
        quoted = pc.sum(select_rows(submissions, key).column("cost_quoted_usd")).as_py() or 0.0
        budget = get_row(experiments, key)["budget_usd"]
        if quoted > budget:
            findings.append(f"{key}: quoted {quoted:.2f} USD, budget {budget:.2f} USD")
    return findings


def bit_order(control_plane: ControlPlane) -> BitOrderCheck:
    """A canary on every backend comes back with its bit where it was set; says which ones it checked."""
    return check_bit_orders(control_plane)


def unreachable_providers(control_plane: ControlPlane, backend_capabilities: pa.Table) -> list[str]:
    """Every provider that somebody has set up answered when its backends were listed; says until when it rests."""
    rests_until = {
        breaker.backend.partition(":")[0]: breaker.retry_at
        for breaker in sorted(control_plane.ledger.breakers(), key=lambda breaker: str(breaker.retry_at))
        if breaker.state != "closed" and breaker.retry_at is not None
    }
    findings: dict[str, str] = {}
    for row in backend_capabilities.filter(pc.invert(backend_capabilities.column("reachable"))).to_pylist():
        provider = row["provider"]
        if provider in findings or control_plane.dispatcher.missing_setting(row["backend"]) is not None:
            continue
        rests = f"; it rests until {rests_until[provider]:%Y-%m-%d %H:%M:%S} UTC" if provider in rests_until else ""
        findings[provider] = f"{provider} did not answer: {row['problem']}{rests}"
    return list(findings.values())


def calibrations_fresh(control_plane: ControlPlane) -> list[str]:
    """The newest calibration of every device is younger than the policy's limit."""
    return stale_calibrations(control_plane)


def everything_paid_is_collected(ledger: Ledger) -> list[str]:
    """No job was paid whose result is not here."""
    return [describe(job) for job in uncollected_jobs(ledger, datetime.now(UTC))]


def needs_a_person(
    control_plane: ControlPlane, executions: Sequence[ExecutionKey] | None = None, *, now: datetime | None = None
) -> list[str]:
    """Nothing waits for a person: no job for approval, no result that was refused for good, no question about the home.

    Args:
        control_plane: of the home.
        executions: only jobs of these count; None for all, and for the home itself.
        now: the time to compare with; the default is now.
    """
    moment = now or datetime.now(UTC)
    wanted = None if executions is None else set(executions)
    jobs = control_plane.ledger.jobs(states=[JobState.AWAITING_APPROVAL])
    findings = [
        f"job {job.job_id} of '{job.experiment}' on '{job.backend}' waits for approval. {next_steps(job, moment)}"
        for job in jobs
        if wanted is None or (job.backend, job.experiment) in wanted
    ]
    findings += [
        describe(job)
        for job in uncollected_jobs(control_plane.ledger, moment)
        if wanted is None or (job.backend, job.experiment) in wanted
    ]
    return findings if wanted is not None else [*control_plane.guard.problems(), *findings]


def inbox_refusals(home: Home) -> list[str]:
    """Nothing that was dropped into the inbox lies in quarantine; says which files do, and why."""
    findings = []
    for note in sorted(home.quarantine.glob("*.error.json")):
        name = note.name.removesuffix(".error.json")
        try:
            reason = str(json.loads(note.read_text("utf-8"))["message"])
        except (OSError, ValueError, KeyError, TypeError):
            reason = "the note beside it cannot be read"
        findings.append(printable(f"{name}: {reason}"))
    return findings


def ledger_unbroken(home: Home, ledger: Ledger) -> list[str]:
    """Events, rows, triggers and notes of the ledger are what was written, as far as they changed since the last audit."""
    return list(audit_ledger(home, ledger).findings)
