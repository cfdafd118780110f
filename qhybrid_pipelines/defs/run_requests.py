"""The runs that do stages, as sensors and schedules ask for them: one for each stage, or for many together where many are due."""

from collections.abc import Callable, Mapping

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.defs.batches import MAX_ALONE, Batch, make_batches
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.partitions import execution_key
from qhybrid_pipelines.defs.principals import principal_tags
from qhybrid_pipelines.defs.run_history import RunHistory
from qhybrid_pipelines.defs.run_tags import (
    PRINCIPAL_TAG,
    label_tags,
    limit_tags,
    partition_text,
    priority_tags,
    stage_tags,
)
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.label_store import read_labels
from qhybrid_pipelines.storage.requesters import first_rounds_requester


def make_run_requests(
    stages: Mapping[Stage, RunHistory],
    open_workspace: Workspace,
    instance: dg.DagsterInstance,
    retry: Callable[[RunHistory], str],
) -> list[dg.RunRequest]:
    """Return the runs that do stages, many of them together where many are due.

    Args:
        stages: with what became of their runs so far.
        open_workspace: has their experiments.
        instance: knows the order of partitions.
        retry: says what makes a request another one than the last.
    """
    requesters = {stage: _requester(stage, open_workspace) for stage in stages} if len(stages) > MAX_ALONE else {}
    batches = make_batches(stages, requesters, instance) if requesters else [Batch(stages=(stage,)) for stage in stages]
    requests = []
    for batch in batches:
        first = batch.stages[0]
        if len(batch.stages) == 1:
            requests.append(make_run_request(first, open_workspace, retry=retry(stages[first])))
            continue
        occasion = "|".join(f"{partition_text(stage)} {retry(stages[stage])}" for stage in batch.stages)
        requests.append(
            dg.RunRequest(
                run_key=f"{first.job}|{len(batch.stages)}|{sha256_hex(occasion)}",
                job_name=JOB_NAMES[first.job],
                tags=batch.tags
                | priority_tags(first)
                | limit_tags(first, is_immediate=open_workspace.control_plane.is_immediate)
                | {PRINCIPAL_TAG: requesters[first]},
            )
        )
    return requests


def _requester(stage: Stage, open_workspace: Workspace) -> str:
    """Return in whose name a stage runs."""
    spec = open_workspace.specifications.load_any(stage.experiment)
    requester = first_rounds_requester(open_workspace.home, stage.experiment, spec)
    return principal_tags(open_workspace.control_plane.deployment, requester=requester)[PRINCIPAL_TAG]


def make_run_request(stage: Stage, open_workspace: Workspace, *, retry: str = "") -> dg.RunRequest:
    """Return the run that does a stage; asked for twice under one ``retry``, it runs once."""
    if stage.backend is None:
        partition: str = stage.experiment
    else:
        partition = execution_key(stage.backend, stage.experiment)
    return dg.RunRequest(
        run_key=f"{stage.job}|{stage.backend or ''}|{stage.experiment}|{retry}",
        job_name=JOB_NAMES[stage.job],
        partition_key=partition,
        tags=stage_tags(stage)
        | priority_tags(stage)
        | limit_tags(stage, is_immediate=open_workspace.control_plane.is_immediate)
        | label_tags(read_labels(open_workspace.home, stage.experiment))
        | {PRINCIPAL_TAG: _requester(stage, open_workspace)},
    )
