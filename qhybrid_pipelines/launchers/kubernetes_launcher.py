"""Dagster's runs as jobs of Kubernetes, by Dagster's own launcher; what it says of a run's health is corrected in two points.

Runs that the command line executes on the same record have no job there, and are not lost. And where the cluster's interface gives no answer,
nothing is known about a run: Dagster's monitor would take the launcher's answer UNKNOWN for the end of the run.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster_k8s import K8sRunLauncher

from qhybrid_pipelines.core.errors import EnvironmentFailure
from qhybrid_pipelines.defs.run_tags import ENGINE_TAG

ENGINE = "kubernetes"
#: The end of the launcher's sentence about a job that is not there, which has the same status as one of no answer.
_NO_SUCH_JOB = "could not be found"


class KubernetesUnavailable(EnvironmentFailure):
    """The cluster's interface did not answer, or refused; nothing is known about any job."""


class OwnRunsK8sRunLauncher(K8sRunLauncher):
    """Launches each run as a job; named under ``run_launcher`` in dagster.yaml, with the settings of `K8sRunLauncher`."""

    @property
    def supports_resume_run(self) -> bool:
        """Whether a job may go on with the run of another one; a new run of the stage does, with all that is in the lake."""
        return False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Make the run's job. What the cluster refuses, `dagster_k8s` raises, and the run fails with its words."""
        self._instance.add_run_tags(context.dagster_run.run_id, {ENGINE_TAG: ENGINE})
        super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """End a run because a person says so; return whether there was anything to end."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.tags.get(ENGINE_TAG) != ENGINE:
            return False
        return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether a run that has not ended still has its job.

        Raises:
            KubernetesUnavailable: the cluster gave no answer.
        """
        if run.tags.get(ENGINE_TAG) != ENGINE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it was not launched on Kubernetes")
        found: CheckRunHealthResult = super().check_run_worker_health(run)
        if found.status is not WorkerStatus.UNKNOWN:
            return found
        if (found.msg or "").endswith(_NO_SUCH_JOB):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, found.msg)
        said = (found.msg or "").strip().partition("\n")[0]
        raise KubernetesUnavailable(
            f"the cluster's interface did not answer: {said or 'it said nothing'}",
            remedy="See whether it does, and whether the service account may read jobs (deploy/kubernetes/access.yaml).",
        )
