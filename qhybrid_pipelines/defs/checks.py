"""Asset checks: what must hold of the tables that were just written; `defs.table_assets` yields them, and checks their schemas."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs.partitions import get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.table_assets import Check, table_check
from qhybrid_pipelines.steps.learning import audits as learning_audits
from qhybrid_pipelines.steps.operate import audits
from qhybrid_pipelines.steps.operate.warehouse import unreadable_files


@table_check("qpu_result_sets", blocking=True)
def counts_sum_to_shots(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    qpu_result_sets: pa.Table,
) -> dg.AssetCheckResult:
    """Every point and repetition has exactly the shots that were asked for; none where a deadline passed."""
    dispatcher = workspace.open().control_plane.dispatcher
    findings = audits.counts_sum_to_shots(
        get_executions(context), circuit_batches, qpu_submissions, qpu_result_sets, dispatcher
    )
    return _result(findings)


@table_check("scored_solutions", blocking=True)
def objectives_recompute(problem_instances: pa.Table, scored_solutions: pa.Table) -> dg.AssetCheckResult:
    """Objective and feasibility of every solution follow from its assignment, term by term, on the canonical model."""
    return _result(audits.objectives_recompute(problem_instances, scored_solutions))


@table_check("baselines")
def always_on_baselines_present(context: dg.AssetExecutionContext, baselines: pa.Table) -> dg.AssetCheckResult:
    """No comparison without its controls: random, random with the same local search, annealing, tabu, the family's own."""
    return _result(audits.baselines_present(context.partition_keys, baselines))


@table_check("qpu_submissions")
def within_budget(experiments: pa.Table, qpu_submissions: pa.Table) -> dg.AssetCheckResult:
    """Quoted cost stays within the budget of the experiment."""
    return _result(audits.within_budget(experiments, qpu_submissions))


@table_check("backend_capabilities")
def bit_order(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """A canary circuit with one known qubit set comes back with that bit set, on every backend."""
    canaries = audits.bit_order(workspace.open().control_plane)
    # A backend that rests or does not answer is not red: nothing says that its bits are wrong.
    severity = dg.AssetCheckSeverity.ERROR if canaries.wrong else dg.AssetCheckSeverity.WARN
    return _result(
        [*canaries.wrong, *canaries.unanswered],
        severity,
        checked=list(canaries.checked),
        not_checked=canaries.not_checked,
    )


@table_check("backend_capabilities")
def provider_reachable(workspace: WorkspaceResource, backend_capabilities: pa.Table) -> dg.AssetCheckResult:
    """Every provider that somebody has set up answered; one that does not is resting, and what waits for it goes on by itself."""
    away = audits.unreachable_providers(workspace.open().control_plane, backend_capabilities)
    return _result(away, dg.AssetCheckSeverity.WARN)


@table_check("backend_calibrations")
def calibrations_fresh(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The newest calibration of every device is younger than the policy's limit; those of fake devices never change."""
    return _result(audits.calibrations_fresh(workspace.open().control_plane), dg.AssetCheckSeverity.WARN)


@table_check("warehouse")
def ledger_unbroken(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The ledger is what was written: its chain of events, the rows that follow from them, and the notes outside it."""
    opened = workspace.open()
    return _result(audits.ledger_unbroken(opened.home, opened.control_plane.ledger))


@table_check("warehouse")
def everything_paid_is_collected(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No provider was paid for a job whose result is not here; what to do about one costs nothing."""
    found = audits.everything_paid_is_collected(workspace.open().control_plane.ledger)
    return _result(found, dg.AssetCheckSeverity.WARN)


@table_check("warehouse")
def every_file_is_readable(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No file of the lake is damaged, so that its rows would be missing from the snapshot."""
    return _result(unreadable_files(workspace.open().home), dg.AssetCheckSeverity.WARN)


@table_check("warehouse", name="inbox")
def inbox_refused_nothing(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No file that was dropped into the inbox was refused; the folder `quarantine` has those, each with the reason beside it."""
    return _result(audits.inbox_refusals(workspace.open().home), dg.AssetCheckSeverity.WARN)


def evaluate_inbox(refusals: Sequence[str]) -> dg.AssetCheckEvaluation:
    """Return what the sensor of the inbox reports as the result of that check, without a run."""
    found = _result(refusals, dg.AssetCheckSeverity.WARN)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(inbox_refused_nothing.asset),
        check_name=inbox_refused_nothing.name,
        passed=found.passed,
        severity=found.severity,
        description=found.description,
        metadata=found.metadata,
    )


@table_check("warehouse", name="needs_a_person")
def home_needs_a_person(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Nothing waits for a person: no job for approval, no result that was refused for good, no question about the home."""
    return _result(audits.needs_a_person(workspace.open().control_plane), dg.AssetCheckSeverity.WARN)


def _needs_a_person_check(asset: str) -> Check:
    @table_check(asset, name="needs_a_person")
    def needs_a_person(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        """No job of these executions waits for a person, who alone can say whether it goes on."""
        executions = get_executions(context)
        found = audits.needs_a_person(workspace.open().control_plane, executions)
        return _result(found, dg.AssetCheckSeverity.WARN, checked=sorted({backend for backend, _ in executions}))

    return needs_a_person


@table_check("qml_folds", blocking=True)
def every_row_is_tested_once(qml_folds: pa.Table) -> dg.AssetCheckResult:
    """Every row has one role in a fold, and is tested exactly once in every repeat."""
    return _result(learning_audits.audit_folds(qml_folds))


@table_check("qml_submissions")
def quotes_within_budget(experiments: pa.Table, qml_submissions: pa.Table) -> dg.AssetCheckResult:
    """Quoted cost stays within the budget of the experiment."""
    return _result(audits.within_budget(experiments, qml_submissions))


@table_check("qml_summaries")
def shuffled_labels_are_not_learnt(qml_datasets: pa.Table, qml_summaries: pa.Table) -> dg.AssetCheckResult:
    """The control that trains on shuffled labels stays at chance; otherwise test rows have leaked."""
    findings = learning_audits.audit_permuted_labels(qml_datasets, qml_summaries)
    return _result(findings, dg.AssetCheckSeverity.WARN)


def _result(
    findings: Iterable[str], severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR, **metadata: Any
) -> dg.AssetCheckResult:
    found = list(findings)
    return dg.AssetCheckResult(
        passed=not found,
        severity=severity,
        description="; ".join(found[:5]) or None,
        metadata={"findings": len(found), **metadata},
    )


qpu_submissions_need_a_person = _needs_a_person_check("qpu_submissions")
qml_submissions_need_a_person = _needs_a_person_check("qml_submissions")
qml_training_steps_need_a_person = _needs_a_person_check("qml_training_steps")
WAREHOUSE = (
    ledger_unbroken,
    everything_paid_is_collected,
    every_file_is_readable,
    inbox_refused_nothing,
    home_needs_a_person,
)
