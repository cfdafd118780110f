"""The cluster is stood in for by its answers here: no cluster was ever tried. What the launcher sends is held against the schemas of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import kubernetes
import kubernetes_validate
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from kubernetes.client.exceptions import ApiException

from qhybrid_pipelines.defs.orphans import end_orphans
from qhybrid_pipelines.defs.run_tags import ENGINE_TAG
from qhybrid_pipelines.launchers.kubernetes_launcher import ENGINE, KubernetesUnavailable, OwnRunsK8sRunLauncher

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
STARTED, STARTING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING
#: Where nobody listens.
CLUSTER = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "nobody", "user": {}}],
    "contexts": [{"name": "here", "context": {"cluster": "none", "user": "nobody"}}],
    "current-context": "here",
}


def shipped_settings() -> dict:
    """Return the dagster.yaml within the manifest."""
    return yaml.safe_load(yaml.safe_load((DEPLOY / "kubernetes" / "settings.yaml").read_text())["data"]["dagster.yaml"])


class Cluster:
    """The network's edge: what the cluster is sent, and the status or error that it answers with."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict]] = []
        self.answer: object = None

    def create_namespaced_job(self, *, body, namespace, **_):
        self.sent.append((namespace, kubernetes.client.ApiClient().sanitize_for_serialization(body)))

    def read_namespaced_job_status(self, name, namespace):
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(status=self.answer)


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def launcher(tmp_path, monkeypatch, cluster):
    """Give a launcher with the settings that are shipped, and a cluster of the test."""
    monkeypatch.setenv("POD_NAMESPACE", "house")
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(CLUSTER))
    config = shipped_settings()["run_launcher"]["config"]
    config |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    accepted = process_config(resolve_to_config_type(OwnRunsK8sRunLauncher.config_type()), config)
    assert accepted.success, accepted.errors
    return OwnRunsK8sRunLauncher(**accepted.value, k8s_client_batch_api=cluster)


@pytest.fixture
def instance(launcher):
    """Give an instance in memory with that launcher."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield given(opened, launcher)


def given(instance, launcher):
    instance._run_launcher = launcher
    launcher.register_instance(instance)
    return instance


def add_run(instance, status, tags=None):
    tags = {ENGINE_TAG: ENGINE} if tags is None else tags
    origin = JobPythonOrigin(
        "2_submit",
        RepositoryPythonOrigin("python", ModuleCodePointer("qhybrid_pipelines.definitions", "defs", None), None, None),
    )
    run = dg.DagsterRun(job_name="2_submit", status=status, tags=tags, job_code_origin=origin)
    instance.add_run(run)
    return run


def status_with(**counts):
    return kubernetes.client.V1JobStatus(**counts)


def test_a_run_is_a_job_that_the_cluster_would_take(launcher, cluster):
    with dg.instance_for_test() as kept:  # one that a worker can find again
        run = add_run(given(kept, launcher), dg.DagsterRunStatus.NOT_STARTED, tags={})
        launcher.launch_run(LaunchRunContext(run, workspace=None))
        assert kept.get_run_by_id(run.run_id).tags[ENGINE_TAG] == ENGINE
    [(namespace, job)] = cluster.sent
    kubernetes_validate.validate(job, "1.33", strict=True)
    assert namespace == "house"
    spec = job["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert container["args"][:5] == ["python", "-m", "dagster", "api", "execute_run"]
    assert (job["spec"]["backoffLimit"], spec["restartPolicy"]) == (0, "Never"), "nothing starts a run a second time"
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("qhybrid-run", False)
    rights = container["securityContext"]
    assert (rights["runAsNonRoot"], rights["readOnlyRootFilesystem"]) == (True, True)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert {"secretRef": {"name": "qhybrid-databases"}} in container["envFrom"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert (mounted["/srv/qhybrid/data"], mounted["/tmp"]) == ("home", "tmp")
    assert '"InstanceRef"' in container["args"][5], "it finds Dagster's record without a dagster.yaml"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (status_with(active=1), WorkerStatus.RUNNING),
        (status_with(failed=1), WorkerStatus.FAILED),
        (ApiException(status=404), WorkerStatus.NOT_FOUND),
    ],
)
def test_health_is_what_the_cluster_says_of_the_job(instance, cluster, answer, status):
    cluster.answer = answer
    assert instance.run_launcher.check_run_worker_health(add_run(instance, STARTED)).status is status


@pytest.mark.parametrize("error", [ApiException(status=403, reason="Forbidden"), ConnectionError("refused")])
def test_no_answer_is_no_health_and_no_run_is_given_up(instance, cluster, error):
    cluster.answer = error
    with pytest.raises(KubernetesUnavailable, match="the cluster's interface did not answer: "):
        instance.run_launcher.check_run_worker_health(add_run(instance, STARTED))
    run = add_run(instance, STARTING)
    assert end_orphans(instance) == 0
    assert instance.get_run_by_id(run.run_id).status is STARTING


def test_a_run_of_the_command_line_is_no_lost_job(instance, cluster):
    cluster.answer = ApiException(status=404)
    own = add_run(instance, STARTED, tags={})
    assert instance.run_launcher.check_run_worker_health(own).status is WorkerStatus.RUNNING
    assert not instance.run_launcher.terminate(own.run_id)
    assert instance.get_run_by_id(own.run_id).status is STARTED


def test_the_launcher_without_the_correction_gives_such_a_run_up(instance, cluster):
    cluster.answer = ApiException(status=404)
    own = add_run(instance, STARTED, tags={})
    uncorrected = super(OwnRunsK8sRunLauncher, instance.run_launcher).check_run_worker_health(own)
    assert uncorrected.status is WorkerStatus.UNKNOWN


def test_the_values_for_the_chart_start_runs_as_the_manifests_do(monkeypatch):
    for name in ("DAGSTER_HOME", "DAGSTER_K8S_INSTANCE_CONFIG_MAP", "DAGSTER_K8S_PG_PASSWORD_SECRET", "POD_NAMESPACE"):
        monkeypatch.setenv(name, "any")
    values = yaml.safe_load((DEPLOY / "kubernetes" / "helm" / "values.yaml").read_text())
    chosen, manifest = values["runLauncher"]["config"]["customRunLauncher"], shipped_settings()["run_launcher"]
    assert (chosen["module"], chosen["class"]) == (manifest["module"], manifest["class"])
    kind = resolve_to_config_type(OwnRunsK8sRunLauncher.config_type())
    of_chart, of_manifest = (process_config(kind, one["config"]) for one in (chosen, manifest))
    assert of_chart.success, of_chart.errors
    for name in ("env_secrets", "env_vars", "resources", "security_context", "fail_pod_on_run_failure"):
        assert of_chart.value[name] == of_manifest.value[name]
    assert of_chart.value["run_k8s_config"] == of_manifest.value["run_k8s_config"]
    assert not process_config(kind, chosen["config"] | {"env_secret": ["misspelt"]}).success
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    runs = shipped_settings()["concurrency"]["runs"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]


def test_the_settings_that_are_shipped_differ_from_the_others_where_they_say_so():
    ours, postgres = shipped_settings(), yaml.safe_load((DEPLOY / "postgres" / "dagster.yaml").read_text())
    for name in ("storage", "run_retries", "retention", "telemetry", "nux"):
        assert ours[name] == postgres[name]
    assert "default_limit" not in ours["concurrency"]["pools"]
    assert "max_runtime_seconds" not in ours["run_monitoring"]
