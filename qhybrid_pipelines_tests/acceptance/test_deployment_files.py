"""Manifests, container file and compose file against published schemas and a linter, and against the project: what they name exists. None of them was
ever applied, built or started; `test_compose_commands.py` starts the commands of the compose file without containers."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES, CONTAINER = ROOT / "deploy" / "kubernetes", ROOT / "deploy" / "container"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
PODS = ("code", "daemon", "web")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(str(command[0]))
    return subprocess.run(
        [program, *map(str, command[1:])], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )


def deployment(name: str) -> dict:
    return next(iter(yaml.safe_load_all((KUBERNETES / f"{name}.yaml").read_text())))


def pod(name: str) -> dict:
    return deployment(name)["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((CONTAINER / "compose.yaml").read_text())


def commands() -> dict[str, list[str]]:
    """Return all commands that containers and pods run, by where they stand."""
    services = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
    found = {f"compose {name}": service["command"] for name, service in services.items() if "command" in service}
    return found | {f"pod {name}": pod(name)["containers"][0]["command"] for name in PODS}


def test_the_manifests_are_what_kubernetes_takes():
    told = run("kubernetes-validate", "--strict", *MANIFESTS)
    assert told.returncode == 0, told.stdout + told.stderr
    assert (told.stdout + told.stderr).count("passed") >= len(MANIFESTS)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("command: [python", "comand: [python"), ("replicas: 1", "replicas: one"), ("fsGroup", "fsgroup")],
)
def test_a_wrong_manifest_is_refused(tmp_path, right, wrong):
    text = (KUBERNETES / "daemon.yaml").read_text()
    assert right in text
    (tmp_path / "wrong.yaml").write_text(text.replace(right, wrong, 1))
    assert run("kubernetes-validate", "--strict", tmp_path / "wrong.yaml").returncode != 0


def test_the_compose_file_is_one_and_a_wrong_one_is_refused(tmp_path):
    check = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    told = run(*check, CONTAINER / "compose.yaml")
    assert told.returncode == 0, told.stdout
    wrong = (CONTAINER / "compose.yaml").read_text().replace("depends_on", "depends_upon")
    (tmp_path / "compose.yaml").write_text(wrong)
    assert "depends_upon" in run(*check, tmp_path / "compose.yaml").stdout


def test_the_container_file_has_no_finding_of_the_linter_and_a_wrong_one_has(tmp_path):
    told = run("hadolint", CONTAINER / "Dockerfile")
    assert told.returncode == 0, told.stdout
    right = (CONTAINER / "Dockerfile").read_text()
    wrong = right.replace("python:3.11-slim-bookworm", "python").replace("WORKDIR /srv", "WORKDIR srv")
    (tmp_path / "Dockerfile").write_text(wrong)
    found = run("hadolint", tmp_path / "Dockerfile").stdout
    assert "DL3006" in found
    assert "DL3000" in found


def test_what_the_container_file_copies_is_in_the_checkout_and_in_the_context():
    text = (CONTAINER / "Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY") and "--from" not in line]
    sources = {name for names in copied for name in names}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sources)
    assert sources <= allowed
    assert "data" not in allowed
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1].split(":")[0] not in {"0", "root"}
    assert (ROOT / "deploy" / "postgres" / "dagster.yaml").is_file()
    [home] = re.findall(r"DAGSTER_HOME=(\S+)", text)
    assert home == "/srv/qhybrid/deploy/postgres"


@pytest.mark.parametrize("place", sorted(commands()))
def test_commands_are_those_of_the_installed_programs(place):
    command = commands()[place]
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2]) is not None
        from dagster._daemon.cli import run_command as program

        options = command[3:]
    elif command[0] == "dagster":
        from dagster._cli.api import grpc_command as program

        assert command[1:3] == ["api", "grpc"]
        assert importlib.util.find_spec(command[command.index("--module-name") + 1]) is not None
        options = command[3:]
    else:
        from dagster_webserver.cli import create_dagster_webserver_cli

        program, options = create_dagster_webserver_cli(), command[1:]
    # Every option is known and has its value; without a value the program would refuse before it begins.
    names = {name for parameter in program.params for name in parameter.opts}
    assert {word for word in options if word.startswith("--")} <= names
    refused = CliRunner().invoke(program, [*options, "--no-such-option"])
    assert "No such option" in refused.output


def test_ports_hosts_and_folders_fit_together(compose):
    services = compose["services"]
    code = services["code"]["command"]
    [server] = yaml.safe_load((CONTAINER / "workspace.yaml").read_text())["load_from"]
    assert (server["grpc_server"]["host"], str(server["grpc_server"]["port"])) == (
        "code",
        code[code.index("--port") + 1],
    )
    for name in ("web", "daemon"):
        assert (ROOT / services[name]["command"][-1]).is_file()
    assert services["web"]["ports"] == ["127.0.0.1:3000:3000"], "pages that ask for no password are for this machine"
    for name in ("code", "web", "daemon"):
        own = services[name]
        assert (own["read_only"], own["cap_drop"], own["volumes"]) == (True, ["ALL"], ["home:/srv/qhybrid/data"])
        databases = {value.rpartition("/")[2] for key, value in own["environment"].items() if "POSTGRES" in value}
        made = set(re.findall(r"CREATE DATABASE (\w+)", (CONTAINER / "databases.sql").read_text()))
        assert databases == made == {"ledger", "dagster", "mlflow"}


def test_pods_have_no_rights_and_find_each_other():
    settings = yaml.safe_load((KUBERNETES / "settings.yaml").read_text())
    [server] = yaml.safe_load(settings["data"]["workspace.yaml"])["load_from"]
    _, service = yaml.safe_load_all((KUBERNETES / "code.yaml").read_text())
    assert server["grpc_server"]["host"] == service["metadata"]["name"]
    assert server["grpc_server"]["port"] == service["spec"]["ports"][0]["port"]
    claim = yaml.safe_load((KUBERNETES / "home.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in PODS:
        spec, [container] = pod(name), pod(name)["containers"]
        assert deployment(name)["spec"]["replicas"] == 1
        assert (
            deployment(name)["spec"]["selector"]["matchLabels"]
            == deployment(name)["spec"]["template"]["metadata"]["labels"]
        )
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001)
        rights = container["securityContext"]
        assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert volumes["home"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert volumes["settings"]["configMap"]["name"] == settings["metadata"]["name"]
    assert pod("daemon")["containers"][0]["command"][:3] == ["python", "-m", "qhybrid_pipelines.standby_daemon"]


def test_the_launcher_may_do_what_it_does_and_runs_nothing():
    accounts = {one["metadata"]["name"]: one for one in yaml.safe_load_all((KUBERNETES / "access.yaml").read_text())}
    binding = [
        one for one in yaml.safe_load_all((KUBERNETES / "access.yaml").read_text()) if one["kind"] == "RoleBinding"
    ]
    assert [subject["name"] for one in binding for subject in one["subjects"]] == ["qhybrid-launcher"]
    assert accounts["qhybrid-run"]["automountServiceAccountToken"] is False
    [role] = [one for one in yaml.safe_load_all((KUBERNETES / "access.yaml").read_text()) if one["kind"] == "Role"]
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    import dagster_k8s.client

    text = Path(dagster_k8s.client.__file__).read_text()
    used = set(re.findall(r"(?:create|delete)_namespaced_job(?=\()", text))
    assert used == {"create_namespaced_job", "delete_namespaced_job"}
    assert {("jobs", "create"), ("jobs", "delete"), ("jobs/status", "get"), ("pods", "list")} <= allowed
    assert not {verb for _, verb in allowed} & {"*", "update", "deletecollection"}
    assert {pod(name)["serviceAccountName"] for name in PODS} <= set(accounts)
