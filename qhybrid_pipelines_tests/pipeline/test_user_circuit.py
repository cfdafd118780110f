"""A circuit from a file goes the whole way to a verdict; a bad one goes to quarantine with its reason."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.control.inbox.scan import scan_inbox
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines_tests.support.experiment_homes import (
    RUNS_IN_PROCESS,
    make_launcher,
    read_jobs,
    register,
    rows,
    run,
)
from qhybrid_pipelines_tests.support.openqasm3_reference import Program
from qhybrid_pipelines_tests.support.user_circuits import ATTACKS, V2, V3

pytestmark = RUNS_IN_PROCESS

RING = [(i, (i + 1) % 6) for i in range(6)]
#: The octahedron: every reduction rule leaves its six variables.
EDGES = [(i, j) for i in range(6) for j in range(i) if i + j != 5]
GRAPH = f"6 {len(EDGES)}\n" + "".join(f"{i + 1} {j + 1} 1\n" for i, j in EDGES)
CIRCUIT = (
    f"{V3}gate rzz(a) x, y {{ cx x, y; rz(a) y; cx x, y; }}\n"
    "input float gamma;\ninput float beta;\nqubit[6] q;\nbit[6] c;\nh q[0:2];\nry(0.4321) q;\n"
    + "".join(f"rzz(2*gamma) q[{i}], q[{j}];\n" for i, j in RING)
    + "rx(beta - 0.25) q;\n"
    # A measurement that turns the order of the qubits around.
    + "".join(f"c[{5 - i}] = measure q[{i}];\n" for i in range(6))
)
SHOTS = 4000


def specification(**changes):
    problem = {"family": "maxcut", "source": "graph.mc", "circuit": "ring.qasm"}
    return {
        "name": "foreign",
        "problem": problem,
        "sweep": {"strategy": "random", "points": 3},
        "shots": SHOTS,
        "repetitions": 10,
        "backends": ["local:auto"],
        "rounds": {"max": 1},
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "graph.mc").write_text(GRAPH)
    (folder / "ring.qasm").write_text(CIRCUIT)
    (folder / "narrow.qasm").write_text(f"{V2}qreg q[2];\nh q;\n")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, folder):
    home = tmp_path_factory.mktemp("home")
    launcher = make_launcher(home)
    keys = register(launcher, [specification()], folder)
    (folder / "ring.qasm").rename(folder / "gone.qasm")  # what was registered counts, wherever the file went
    run(launcher, keys)
    (folder / "gone.qasm").rename(folder / "ring.qasm")
    return home


def expected_probabilities(gamma: float, beta: float) -> dict[str, float]:
    """What qiskit makes of the file itself: probabilities by the text of the bits, bit 5 first."""
    from qiskit import qasm3
    from qiskit.quantum_info import Statevector

    circuit = qasm3.loads(CIRCUIT)
    values = {"gamma": gamma, "beta": beta}
    circuit = circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
    state = Statevector(circuit.remove_final_measurements(inplace=False))
    # qiskit writes qubit 5 first, which is measured into bit 0.
    return {text[::-1]: probability for text, probability in state.probabilities_dict().items()}


def test_it_runs_to_a_verdict_as_an_ansatz_of_its_own(home):
    (verdict,) = rows(home, "SELECT verdict, decision FROM verdicts")
    assert verdict["verdict"]
    (batch,) = rows(home, "SELECT ansatz, n_qubits, points, structure, two_qubit_gates FROM circuit_batches")
    assert batch == {"ansatz": "file", "n_qubits": 6, "points": 3, "structure": None, "two_qubit_gates": 6}
    (experiment,) = rows(home, "SELECT ansatz, layers, specification FROM experiments")
    assert (experiment["ansatz"], experiment["layers"]) == ("file", 0)
    named = json.loads(experiment["specification"])["problem"]["circuit"]
    assert named["file"] == "ring.qasm"
    assert (home / "blobs" / named["sha256"]).read_text() == CIRCUIT
    engines = rows(home, "SELECT engine FROM jobs WHERE experiment LIKE 'foreign%'")
    assert engines == [{"engine": "lightning"}]


def test_its_counts_have_the_distribution_of_the_file(home):
    points = rows(home, "SELECT point, angles FROM parameter_sweeps ORDER BY point")
    counts = rows(home, "SELECT point, bitstring, sum(count) AS count FROM qpu_result_sets GROUP BY point, bitstring")
    assert len(points) == 3
    for point in points:
        expected = expected_probabilities(*point["angles"])
        measured = {row["bitstring"]: int(row["count"]) for row in counts if row["point"] == point["point"]}
        total = sum(measured.values())
        assert total == 10 * SHOTS
        distance = (
            sum(abs(measured.get(text, 0) / total - expected.get(text, 0)) for text in {*measured, *expected}) / 2
        )
        assert distance < 0.03  # 64 outcomes, 40,000 shots: about 0.015


def test_taking_it_in_again_changes_nothing_and_another_circuit_is_another_experiment(home, folder):
    launcher = make_launcher(home)
    registration = launcher.workspace.registration
    text = json.dumps(specification())
    again = registration.register_text(text, file="again.json", folder=folder)
    assert not again.new
    (folder / "other.qasm").write_text(CIRCUIT.replace("0.25", "0.26"))
    other = registration.register_text(text.replace("ring.qasm", "other.qasm"), file="other.json", folder=folder)
    assert other.key != again.key


@pytest.mark.parametrize(
    ("changes", "says", "field"),
    [
        ({"ansatz": {"layers": 3}}, "takes the place of the ansatz", "ansatz"),
        ({"reduce": {"max_qubits": 5}}, "6 qubits, and no reduced model has more than 5", "problem.circuit"),
        ({"sweep": {"strategy": "refine", "center": [0.1]}}, "1 angles, the circuit 2", "sweep.center"),
    ],
)
def test_what_does_not_fit_the_circuit_is_refused_at_the_door(tmp_path, folder, changes, says, field):
    registration = make_launcher(tmp_path).workspace.registration
    with pytest.raises(InvalidInput, match=says) as caught:
        registration.register_text(json.dumps(specification(**changes), indent=1), file="wrong.json", folder=folder)
    assert (caught.value.field, caught.value.file) == (field, "wrong.json")
    assert caught.value.line is not None


@pytest.mark.parametrize("circuit", ["nowhere.qasm", ".", "pipe", "", {"file": "x", "sha256": "0" * 64}, 7])
def test_what_is_no_file_is_refused_without_being_read(tmp_path, circuit):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "graph.mc").write_text(GRAPH)
    spec = specification()
    spec["problem"] = spec["problem"] | {"circuit": circuit}
    begin = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        make_launcher(tmp_path / "home").workspace.registration.register_text(
            json.dumps(spec), file="w.json", folder=tmp_path
        )
    assert caught.value.field.startswith("problem.circuit")
    assert time.monotonic() - begin < 5


def test_another_width_than_the_reduced_model_fails_in_preparation_and_nothing_is_sent(tmp_path, folder):
    launcher = make_launcher(tmp_path)
    spec = specification()
    spec["problem"] = spec["problem"] | {"circuit": "narrow.qasm"}
    _, failures = launcher.run(register(launcher, [spec], folder), lambda stage, asset: None)
    (failure,) = failures
    assert failure.exit_code == 2
    assert "narrow.qasm" in failure.message
    assert "2 qubits, and reduction leaves a reduced model of 6 variables" in failure.message
    assert read_jobs(tmp_path) == []


def test_a_bad_circuit_goes_to_quarantine_with_its_reason(tmp_path):
    workspace = make_launcher(tmp_path).workspace
    home = workspace.home
    files = {
        "graph.mc": GRAPH,
        "bomb.qasm": ATTACKS["a doubling gate, 2^30"].text,
        "wrong.yaml": json.dumps(specification() | {"problem": {**specification()["problem"], "circuit": "bomb.qasm"}}),
        "ring.qasm": CIRCUIT,
        "right.yaml": json.dumps(specification()),
    }
    for name, text in files.items():
        (home.inbox / name).write_text(text)
        os.utime(home.inbox / name, (1e9, 1e9))
    found = scan_inbox(home.inbox, home.quarantine, workspace.registration)
    assert {registered.specification.name for registered in found.registered} == {"foreign"}
    assert {refused.name for refused in found.quarantined} == {"wrong.yaml", "bomb.qasm"}
    reason = json.loads((home.quarantine / "bomb.qasm.error.json").read_text())
    assert (reason["file"], reason["line"]) == ("bomb.qasm", 17)
    assert "more than 10000 gates" in reason["problem"]
    (kept,) = (path for path in (home.inbox / "accepted").iterdir())
    assert {path.name for path in kept.iterdir()} == {"right.yaml", "ring.qasm", "graph.mc"}


#: Two registers, the second one declared first; a qubit that helps, and one that does nothing.
WITH_ANCILLA = (
    'include "stdgates.inc";\n'
    "gate rzz(t) a, b { cx a, b; rz(t/2) b; cx a, b; }\n"
    "input float beta;\nqubit idle;\nqubit help;\nqubit[6] q;\nbit[3] low;\nbit[5] high;\n"
    "for int i in [0:5] { ry(0.4 + 0.3*i) q[i]; }\n"
    + "".join(f"rzz(1.3) q[{i}], q[{j}];\n" for i, j in RING)
    + "rx(beta) q;\ncx q[2], help;\nh q[2];\n"
    "high[4] = measure q[0];\nlow[1] = measure q[5];\nhigh[0] = measure q[1];\nlow = measure q[4];\n".replace(
        "low = measure q[4]", "low[0] = measure q[4]"
    )
    + "low[2] = measure q[2];\nhigh[2] = measure q[3];\n"
)


def test_ancillas_are_run_and_summed_out_when_counts_are_scored(tmp_path):
    (tmp_path / "graph.mc").write_text(GRAPH)
    (tmp_path / "ancilla.qasm").write_text(WITH_ANCILLA)
    problem = {"family": "maxcut", "source": "graph.mc", "circuit": "ancilla.qasm"}
    launcher = make_launcher(tmp_path / "home")
    run(launcher, register(launcher, [specification(problem=problem)], tmp_path))
    home = tmp_path / "home"
    (batch,) = rows(home, "SELECT n_qubits FROM circuit_batches")
    assert batch == {"n_qubits": 7}
    (model,) = rows(home, "SELECT model FROM reduced_models")
    energies = IsingModel.from_dict(json.loads(model["model"])).energies(np.arange(64, dtype=np.uint64))
    points = rows(
        home,
        "SELECT point, angles, avg(mean_energy) AS mean FROM point_scores JOIN parameter_sweeps USING (experiment, point) "
        "GROUP BY ALL",
    )
    assert len(points) == 3
    outcomes = np.arange(64)
    swapped = (outcomes & ~3) | (outcomes & 1) << 1 | (outcomes & 2) >> 1
    astray = []
    for point in points:
        expected = Program(WITH_ANCILLA, {"beta": point["angles"][0]}).distribution()
        spread = np.sqrt(expected @ energies**2 - (expected @ energies) ** 2)
        assert abs(point["mean"] - expected @ energies) < 5 * spread / np.sqrt(10 * SHOTS)
        astray.append(abs(point["mean"] - expected[swapped] @ energies) / (spread / np.sqrt(10 * SHOTS)))
    assert max(astray) > 8  # negative control: two variables in each other's place would be noticed


#: A ring of six nodes with names, one edge heavier: reduction solves it, and no two nodes are alike.
TOWNS = ("ulm", "bonn", "kiel", "jena", "hof", "trier")
WEIGHTS = (3, 1, 4, 1, 5, 9)
ROADS = [(TOWNS[i], TOWNS[(i + 1) % 6], WEIGHTS[i]) for i in range(6)]


def on_towns(qubits: dict[str, str], *, head: str = "", tail: str = "") -> str:
    """A circuit on the ring, with a qubit for each town."""
    gates = "".join(
        f"cx {qubits[a]}, {qubits[b]};\nrz(0.37*{w}) {qubits[b]};\ncx {qubits[a]}, {qubits[b]};\n" for a, b, w in ROADS
    )
    turns = "".join(f"rx(0.9+0.1*{place}) {qubits[town]};\n" for place, town in enumerate(TOWNS))
    return f"{V3}{head}qubit[6] q;\nh q;\n{gates}{turns}{tail}"


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """Three experiments of one circuit: its qubits in the instance's order, and in another one that is named twice."""
    folder = tmp_path_factory.mktemp("towns")
    (folder / "towns.csv").write_text("i,j,weight\n" + "".join(f"{a},{b},{w}\n" for a, b, w in ROADS))
    shuffled = {town: f"q[{place}]" for place, town in enumerate(("jena", "ulm", "trier", "kiel", "bonn", "hof"))}
    notes = "".join(f"// qhybrid: {qubit} is {town}\n" for town, qubit in shuffled.items())
    (folder / "noted.qasm").write_text(on_towns(shuffled, head=notes))
    (folder / "listed.qasm").write_text(on_towns(shuffled))
    home = folder / "home"
    launcher = make_launcher(home)

    def spec(name: str, **problem: object) -> dict[str, object]:
        source = {"family": "maxcut", "source": "towns.csv", "format": "csv_edges"}
        return specification(name=name, problem=source | problem, reduce={"rules": "none"})

    (key,) = register(launcher, [spec("plain")], folder)
    launcher.run([key], lambda stage, asset: None)
    (instance,) = rows(home, "SELECT variables FROM problem_instances")
    in_order = {town: f"q[{place}]" for place, town in enumerate(instance["variables"])}
    (folder / "ordered.qasm").write_text(on_towns(in_order))
    listed = sorted(shuffled, key=shuffled.__getitem__)
    specs = [
        spec("ordered", circuit="ordered.qasm"),
        spec("noted", circuit="noted.qasm"),
        spec("listed", circuit="listed.qasm", circuit_variables=listed),
        spec("unnamed", circuit="listed.qasm"),
    ]
    run(launcher, register(launcher, specs, folder))
    for name in ("noted", "listed"):
        (folder / f"{name}.yaml").write_text(json.dumps(next(s for s in specs if s["name"] == name)))
    (folder / "wrong.yaml").write_text(
        json.dumps(spec("wrong", circuit="listed.qasm", circuit_variables=[*listed[:-1], "berlin"]))
    )
    return folder, home


def test_six_nodes_that_reduction_would_solve_are_six_qubits_without_rules(towns):
    sizes = rows(towns[1], "SELECT n_qubits, solved_by_reduction, exact FROM reduced_models")
    assert {(row["n_qubits"], row["solved_by_reduction"], row["exact"]) for row in sizes} == {(6, False, True)}


def test_a_named_circuit_is_scored_on_the_variables_of_its_names(towns):
    """The same circuit on shuffled qubits has the same outcomes, shot for shot, as soon as the qubits have names."""
    found = rows(
        towns[1],
        "SELECT regexp_extract(experiment, '^[a-z]+') AS name, repetition, mean_energy FROM point_scores "
        "WHERE point = 0 AND experiment NOT LIKE 'plain%' ORDER BY ALL",
    )
    energies = {
        name: [row["mean_energy"] for row in found if row["name"] == name] for name in {r["name"] for r in found}
    }
    exact = np.mean(energies["ordered"])
    spread = np.std(energies["ordered"]) + 1e-9
    for name in ("noted", "listed"):
        assert abs(np.mean(energies[name]) - exact) < 4 * spread
    # Negative control: without names the qubits are other towns, and the figure is another one.
    assert abs(np.mean(energies["unnamed"]) - exact) > 10 * spread


def qhybrid(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["qhybrid", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


@pytest.mark.parametrize("name", ["noted", "listed"])
def test_estimate_prints_which_variable_each_qubit_is(towns, monkeypatch, capsys, name):
    folder, _ = towns
    (folder / "other").mkdir(exist_ok=True)
    code, out, err = qhybrid(monkeypatch, capsys, "estimate", folder / f"{name}.yaml", "--home", folder / "other")
    assert code == 0, err
    for qubit, town in enumerate(("jena", "ulm", "trier", "kiel", "bonn", "hof")):
        assert any(
            line.split()[0] == f"q[{qubit}]" and line.split()[-1] == town for line in out.splitlines() if line.strip()
        )
    assert "warning" not in out + err
    code, out, _ = qhybrid(
        monkeypatch, capsys, "estimate", folder / f"{name}.yaml", "--home", folder / "other", "--json"
    )
    (told,) = json.loads(out)["circuits"]
    assert {row["qubit"]: row["variable"] for row in told["rows"]}["q[2]"] == "trier"


def test_run_prints_it_too_and_what_looks_like_a_mistake(towns, monkeypatch, capsys):
    folder, _ = towns
    unnamed = json.loads((folder / "listed.yaml").read_text())
    del unnamed["problem"]["circuit_variables"]
    (folder / "unnamed.yaml").write_text(json.dumps(unnamed | {"name": "unnamed twice"}))
    code, _, err = qhybrid(monkeypatch, capsys, "run", folder / "unnamed.yaml", "--home", folder / "third")
    said = " ".join(err.split())
    assert code == 0
    assert "the circuit's qubits: q[0] is " in said
    assert "pairs of qubits on which a gate acts are not coupled in the model" in said
    assert "couplings of the model have no gate on their two qubits" in said
    assert said.index("the circuit's qubits") < said.index("on local:auto (execute)")  # before anything is sent


def test_a_name_that_is_no_variable_is_refused_before_anything_is_sent(towns, monkeypatch, capsys):
    folder, _ = towns
    (folder / "other").mkdir(exist_ok=True)
    code, _, err = qhybrid(monkeypatch, capsys, "estimate", folder / "wrong.yaml", "--home", folder / "other")
    assert code == 2
    assert "'berlin' is not a variable of the instance" in err
    assert "problem.circuit_variables" in err
