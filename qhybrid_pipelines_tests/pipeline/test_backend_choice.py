"""Which backends take an experiment: held against the estimate of a specification that names each of them, and against the cloud's book."""

from __future__ import annotations

import json

import pytest
import yaml

from qhybrid_pipelines.control.backend_monitoring.backend_matrix import backend_matrix
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.steps.on_demand.backend_choice import choose_backends
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.emulator_client import Client

pytestmark = experiment_homes.RUNS_IN_PROCESS

PETERSEN = {
    "name": "petersen",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "shots": 64,
    "repetitions": 2,
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "budget": {"usd": 20.0},
}
GHZ = {
    "kind": "sampling",
    "name": "ghz",
    "circuit": {"family": "ghz", "widths": [3, 7]},
    "shots": 100,
    "repetitions": 2,
}
MOONS = {
    "kind": "qml",
    "name": "moons",
    "dataset": {"source": "moons.csv", "target": "side", "classes": ["left", "right"]},
    "features": {"pca": 2},
    "models": ["variational"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 2, "repeats": 1},
    "training": {"layers": 1, "epochs": 1, "batch_size": 8},
    "evaluation": {"shots": [64], "backends": ["local:auto"]},
}
TABLE = "a,b,c,side\n" + "".join(f"{i % 7},{i % 5},{i % 3},{'left' if i % 2 else 'right'}\n" for i in range(24))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    emulator = start_emulator(tmp_path_factory.mktemp("cloud"), seed=3)
    yield emulator
    emulator.stop()


@pytest.fixture
def client(cloud):
    made = Client(cloud)
    yield made
    made.close()


@pytest.fixture
def workspace(tmp_path, cloud, monkeypatch):
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return Workspace(Home(tmp_path / "home").make())


def choose(workspace, folder, spec, *, among=None):
    (folder / "moons.csv").write_text(TABLE)
    page = folder / "page.yaml"
    page.write_text(yaml.safe_dump(spec))
    control_plane = workspace.control_plane
    rows = choose_backends(
        page,
        [row for row in backend_matrix(control_plane) if among is None or row["backend"] in among],
        control_plane.dispatcher,
        workspace.lake,
        tmp=workspace.home.tmp,
        key_of=workspace.key_of,
    )
    return {row["backend"]: row for row in rows}


def test_prices_and_answers_are_those_of_a_specification_that_names_the_backend(workspace, tmp_path, client):
    found = choose(workspace, tmp_path, PETERSEN)
    assert set(found) == set(workspace.control_plane.backends)
    for backend in ("local:auto", "ibm:fake_torino", "ionq:simulator", "ionq:qpu.aria-1", "ionq:qpu.forte-1"):
        page = tmp_path / "named.yaml"
        page.write_text(yaml.safe_dump(PETERSEN | {"backends": [backend]}))
        control_plane = workspace.control_plane
        preview = estimates(
            [page], control_plane.dispatcher, workspace.lake, backends=control_plane.backends, tmp=workspace.home.tmp
        )
        [row] = preview.rows
        names = ("jobs", "circuits", "shots", "low_usd", "high_usd")
        assert {name: found[backend][name] for name in names} == {name: row[name] for name in names}
        assert (found[backend]["takes"] != "no") is (not preview.problems)
    assert found["ionq:qpu.aria-1"]["takes"] == "yes"  # an emulated price, within the budget
    [reason] = found["ionq:qpu.forte-1"]["reasons"]
    assert "of its budget left" in reason
    assert "Raise budget.usd" in reason
    [reason] = found["ibm:fake_manila"]["reasons"]  # Petersen's graph has ten vertices, the device five qubits
    assert "needs 10 qubits, and 'ibm:fake_manila' takes at most 5. Lower reduce.max_qubits" in reason
    answers = [row["takes"] for row in found.values()]
    assert answers == sorted(answers, key=("yes", "with approval", "when it is back", "no").index)
    assert client.book() == []


def test_sampling_needs_the_widest_circuit_and_pays_for_all(workspace, tmp_path):
    found = choose(workspace, tmp_path, GHZ)
    assert (found["local:auto"]["takes"], found["local:auto"]["shots"]) == ("yes", 2 * 2 * 100)
    assert "needs 7 qubits" in found["ibm:fake_manila"]["reasons"][0]
    assert found["ionq:simulator"]["jobs"] == 2


def test_more_noise_is_offered_where_it_stays_in_the_circuits_and_is_paid_for(workspace, tmp_path):
    among = ("local:auto", "ionq:qpu.aria-1")
    found = choose(workspace, tmp_path, PETERSEN | {"mitigation": {"estimation": "zne"}}, among=among)
    assert {name: found["local:auto"][name] for name in ("takes", "jobs", "shots")} == {
        "takes": "yes",
        "jobs": 3,
        "shots": 3 * 2 * 2 * 64,
    }
    assert (found["local:auto"]["estimations"], found["ionq:qpu.aria-1"]["estimations"]) == (
        ["none", "two_body", "zne"],
        ["none", "two_body"],
    )
    [reason] = found["ionq:qpu.aria-1"]["reasons"]
    assert "may take out the gates that zne repeats" in reason


def test_learning_is_offered_before_it_is_trained(workspace, tmp_path):
    found = choose(workspace, tmp_path, MOONS)
    assert found["ibm:fake_manila"]["takes"] == found["local:auto"]["takes"] == "yes"
    assert found["ibm:fake_manila"]["circuits"] == found["local:auto"]["circuits"] > 0


def test_policy_and_region_are_asked_for_each(workspace, tmp_path):
    (workspace.home.path / "policy.yaml").write_text(
        "rules:\n"
        "  - {name: near, backend: 'ionq:*', outside_region: 'eu-*', then: deny, reason: the union}\n"
        "  - {name: look, backend: 'ibm:*', then: approve, reason: somebody should look}\n"
        "  - {name: rest, then: allow, reason: this machine}\n"
    )
    found = choose(Workspace(workspace.home), tmp_path, PETERSEN)
    assert found["local:auto"]["takes"] == "yes"
    assert found["ibm:fake_torino"]["takes"] == "with approval"
    assert found["ionq:simulator"]["takes"] == "no"
    assert "region this-machine) in dev: rule 'near': the union" in found["ionq:simulator"]["reasons"][0]
    assert (found["local:auto"]["data_classes"], found["ionq:simulator"]["data_classes"]) == (
        ["public", "internal", "confidential"],
        [],
    )


def test_a_machine_that_is_down_takes_it_later(workspace, tmp_path, client):
    client.admin("PUT", "/backends/qpu.aria-1", {"status": "unavailable"})
    found = choose(workspace, tmp_path, PETERSEN)
    client.admin("PUT", "/backends/qpu.aria-1", {"status": "available"})
    assert found["ionq:qpu.aria-1"]["takes"] == "when it is back"
    assert found["ionq:qpu.aria-1"]["high_usd"] > 0


def test_a_provider_that_nobody_has_set_up_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    monkeypatch.delenv("IONQ_API_URL", raising=False)
    found = choose(Workspace(Home(tmp_path / "home").make()), tmp_path, PETERSEN)
    assert found["ionq:simulator"]["takes"] == "no"
    assert "Set IONQ_API_KEY" in found["ionq:simulator"]["reasons"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "this is not YAML"),
        (yaml.safe_dump(PETERSEN | {"backends": ["ionq:qpu.gone"]}), "no backend 'ionq:qpu.gone'"),
        (yaml.safe_dump(PETERSEN | {"shots": 0}), "shots"),
    ],
)
def test_a_wrong_page_is_named(workspace, tmp_path, text, words):
    page = tmp_path / "wrong.yaml"
    page.write_text(text)
    control_plane = workspace.control_plane
    with pytest.raises(InvalidInput, match=words):
        choose_backends(
            page, backend_matrix(control_plane), control_plane.dispatcher, workspace.lake, tmp=workspace.home.tmp
        )
    assert list(workspace.home.tmp.iterdir()) == []


def test_the_command_ends_with_4_where_none_takes_it(workspace, tmp_path):
    (workspace.home.path / "policy.yaml").write_text("rules: [{name: closed, then: deny, reason: holidays}]\n")
    page = tmp_path / "page.yaml"
    page.write_text(yaml.safe_dump(PETERSEN))
    process = experiment_homes.command("backends", "--for", page, "--json", "--home", workspace.home.path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 4
    assert {row["takes"] for row in json.loads(output)["backends"]} == {"no"}
