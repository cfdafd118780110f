"""Asset checks: what must hold of the tables that were just written. Their schemas are checked by `defs.table_assets`."""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs.partitions import EXECUTIONS, EXPERIMENTS, get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.steps.learning import audits as learning_audits
from qhybrid_pipelines.steps.operate import audits
from qhybrid_pipelines.steps.operate.warehouse import unreadable_files


@dg.asset_check(
    asset="qpu_result_sets",
    blocking=True,
    partitions_def=EXECUTIONS,
    additional_ins={
        "circuit_batches": dg.AssetIn("circuit_batches"),
        "qpu_submissions": dg.AssetIn("qpu_submissions"),
    },
)
def counts_sum_to_shots(
    context: dg.AssetCheckExecutionContext,
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


@dg.asset_check(
    asset="scored_solutions",
    blocking=True,
    partitions_def=EXECUTIONS,
    additional_ins={"problem_instances": dg.AssetIn("problem_instances")},
)
def objectives_recompute(problem_instances: pa.Table, scored_solutions: pa.Table) -> dg.AssetCheckResult:
    """Objective and feasibility of every solution follow from its assignment, term by term, on the canonical model."""
    return _result(audits.objectives_recompute(problem_instances, scored_solutions))


@dg.asset_check(asset="baselines", partitions_def=EXPERIMENTS)
def always_on_baselines_present(context: dg.AssetCheckExecutionContext, baselines: pa.Table) -> dg.AssetCheckResult:
    """No comparison without its controls: random, random with the same local search, annealing, tabu, the family's own."""
    return _result(audits.baselines_present(context.partition_keys, baselines))


@dg.asset_check(
    asset="qpu_submissions",
    partitions_def=EXECUTIONS,
    additional_ins={"experiments": dg.AssetIn("experiments")},
)
def within_budget(experiments: pa.Table, qpu_submissions: pa.Table) -> dg.AssetCheckResult:
    """Quoted cost stays within the budget of the experiment."""
    return _result(audits.within_budget(experiments, qpu_submissions))


@dg.asset_check(asset="backend_capabilities")
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


@dg.asset_check(asset="backend_capabilities")
def provider_reachable(workspace: WorkspaceResource, backend_capabilities: pa.Table) -> dg.AssetCheckResult:
    """Every provider that somebody has set up answered; one that does not is resting, and what waits for it goes on by itself."""
    away = audits.unreachable_providers(workspace.open().control_plane, backend_capabilities)
    return _result(away, dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="backend_calibrations")
def calibrations_fresh(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The newest calibration of every device is younger than the policy's limit; those of fake devices never change."""
    return _result(audits.calibrations_fresh(workspace.open().control_plane), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="warehouse")
def ledger_unbroken(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The ledger is what was written: its chain of events, the rows that follow from them, and the notes outside it."""
    opened = workspace.open()
    return _result(audits.ledger_unbroken(opened.home, opened.control_plane.ledger))


@dg.asset_check(asset="warehouse")
def everything_paid_is_collected(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No provider was paid for a job whose result is not here; what to do about one costs nothing."""
    found = audits.everything_paid_is_collected(workspace.open().control_plane.ledger)
    return _result(found, dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="warehouse")
def every_file_is_readable(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No file of the lake is damaged, so that its rows would be missing from the snapshot."""
    return _result(unreadable_files(workspace.open().home), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="warehouse", name="needs_a_person")
def home_needs_a_person(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Nothing waits for a person: no job for approval, no result that was refused for good, no question about the home."""
    return _result(audits.needs_a_person(workspace.open().control_plane), dg.AssetCheckSeverity.WARN)


def _needs_a_person_check(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="needs_a_person", partitions_def=EXECUTIONS)
    def needs_a_person(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        """No job of these executions waits for a person, who alone can say whether it goes on."""
        executions = get_executions(context)
        found = audits.needs_a_person(workspace.open().control_plane, executions)
        return _result(found, dg.AssetCheckSeverity.WARN, checked=sorted({backend for backend, _ in executions}))

    return needs_a_person


@dg.asset_check(asset="qml_folds", blocking=True, partitions_def=EXPERIMENTS)
def every_row_is_tested_once(qml_folds: pa.Table) -> dg.AssetCheckResult:
    """Every row has one role in a fold, and is tested exactly once in every repeat."""
    return _result(learning_audits.audit_folds(qml_folds))


@dg.asset_check(
    asset="qml_submissions",
    partitions_def=EXECUTIONS,
    additional_ins={"experiments": dg.AssetIn("experiments")},
)
def quotes_within_budget(experiments: pa.Table, qml_submissions: pa.Table) -> dg.AssetCheckResult:
    """Quoted cost stays within the budget of the experiment."""
    return _result(audits.within_budget(experiments, qml_submissions))


@dg.asset_check(
    asset="qml_summaries",
    partitions_def=EXPERIMENTS,
    additional_ins={"qml_datasets": dg.AssetIn("qml_datasets")},
)
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


CHECKS = (
    counts_sum_to_shots,
    objectives_recompute,
    always_on_baselines_present,
    within_budget,
    every_row_is_tested_once,
    quotes_within_budget,
    shuffled_labels_are_not_learnt,
    bit_order,
    provider_reachable,
    calibrations_fresh,
    ledger_unbroken,
    everything_paid_is_collected,
    every_file_is_readable,
    home_needs_a_person,
    _needs_a_person_check("qpu_submissions"),
    _needs_a_person_check("qml_submissions"),
)
