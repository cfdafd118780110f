"""Published optima, through the whole pipeline: file, intake, reduction, sweep, baselines, warehouse.

Two processes share the work in one home, so this is also a home under two writers.
"""

import subprocess
import sys

import pytest
import yaml

from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.instance_files import instance_files, named
from qhybrid_pipelines_tests.support.known_optima import independent_set_as_qubo

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

#: Graphs whose independent sets are also written as a QUBO.
AS_QUBO = ("farm", "karate", "johnson8-2-4")
#: Left to the tests of baselines, which take them without the pipeline.
LEFT_OUT = {"medium30", "sparse50-4", "sparse100"}
FILES = [file for file in instance_files() if file.instance not in LEFT_OUT]
#: Name of an experiment -> its optimum: published, or for own files proved as the manifest says.
PUBLISHED = {file.instance: file.best_known for file in FILES} | {
    f"{name}-qubo": -named(name).best_known for name in AS_QUBO
}
SOLVED_BY_REDUCTION = {"sparse50-1", "sparse50-2", "sparse50-3", "farm-qubo"}
#: Of each family and source; what takes longer, or repeats a kind, only `make test-long` tries.
ONE_OF_EACH_KIND = {
    *("mc_016_003_000", "torus4x4", "farm", "farm-qubo", "ms_03_050_002", "sparse50-1", "dense20"),
    *("factors31", "pigeons4", "towns10", "shop3x3", "knapsack"),
}
#: layers -> published ratio of the mean cut of QAOA's samples at the fixed angles of 3-regular graphs
FIXED_ANGLES = {1: 0.783, 4: 0.925}
CUBIC_GRAPH = "mc_016_003_000"
TOLERANCE = 0.005
SMALL = {"sweep": {"strategy": "fixed_angles", "points": 2}, "repetitions": 10, "shots": 256, "rounds": {"max": 1}}

WORK = """
import sys
from pathlib import Path
from qhybrid_pipelines_tests.support import experiment_homes
home, *files = map(Path, sys.argv[1:])
launcher = experiment_homes.make_launcher(home)
experiment_homes.run(launcher, [launcher.workspace.registration.register_file(file).key for file in files])
"""


def specifications(folder, names):
    """Return the specifications of the named problems, and of the fixed angles with one point and many shots."""
    for file in FILES:
        if file.instance in names:
            yield {**SMALL, "name": file.instance, "problem": file.problem}
    for name in AS_QUBO:
        if f"{name}-qubo" not in names:
            continue
        matrix = folder / f"{name}.sparse"
        matrix.write_text(independent_set_as_qubo(named(name).text))
        yield {**SMALL, "name": f"{name}-qubo", "problem": {"family": "qubo", "source": str(matrix)}}
    for layers in FIXED_ANGLES:
        yield {
            "name": f"angles-p{layers}",
            "problem": named(CUBIC_GRAPH).problem,
            "ansatz": {"layers": layers},
            "sweep": {"strategy": "fixed_angles", "points": 1},
            "shots": 8192,
            "rounds": {"max": 1},
        }


@pytest.fixture(scope="module", params=["one of each kind", pytest.param("all", marks=pytest.mark.long)])
def names(request):
    return set(PUBLISHED) if request.param == "all" else ONE_OF_EACH_KIND


@pytest.fixture(scope="module")
def home(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("public")
    files = []
    for spec in specifications(folder, names):
        files.append(folder / f"{spec['name']}.yaml")
        files[-1].write_text(yaml.safe_dump(spec))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(folder / "home"), *map(str, files[half::2])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for half in (0, 1)
    ]
    for worker in workers:
        said, _ = worker.communicate(timeout=900)  # only against hanging
        assert worker.returncode == 0, said
    return folder / "home"


@pytest.fixture(scope="module")
def verdicts(home):
    found = experiment_homes.rows(home, "SELECT * FROM baseline_comparisons JOIN experiments USING (experiment)")
    return {row["name"]: row for row in found}


def test_the_best_baseline_reaches_every_published_optimum(verdicts, names):
    assert len(PUBLISHED) >= 22
    published = {name: PUBLISHED[name] for name in names}
    for name, value in published.items():
        row = verdicts[name]
        print(
            f"{name:16s} n={row['n_variables']:3d} reduced={row['n_qubits']:2d} published={value:8g} "
            f"classical={row['best_classical']:8g} ({row['best_solver']}) quantum={row['best_quantum']} {row['verdict']}"
        )
    assert {name: verdicts[name]["best_classical"] for name in published} == pytest.approx(published)


def test_nothing_beats_a_published_optimum(verdicts, names):
    for name in names:
        value = PUBLISHED[name]
        sign = 1 if verdicts[name]["sense"] == "max" else -1
        quantum = verdicts[name]["best_quantum"]
        assert quantum is None or sign * (quantum - value) <= 1e-9


def test_roof_duality_solves_what_it_is_known_to_solve(verdicts, names):
    assert SOLVED_BY_REDUCTION & names
    for name in SOLVED_BY_REDUCTION & names:
        assert (verdicts[name]["verdict"], verdicts[name]["n_qubits"]) == ("solved_by_reduction", 0)


@pytest.mark.parametrize("table", ["scored_solutions", "baselines"])
def test_every_objective_follows_from_its_assignment(home, table):
    rows, wrong = experiment_homes.recompute_objectives(home, table)
    assert rows > 300
    assert wrong == []


@pytest.mark.parametrize(("layers", "ratio"), FIXED_ANGLES.items())
def test_fixed_angles_give_the_published_ratio_on_a_cubic_graph(home, verdicts, layers, ratio):
    row = verdicts[f"angles-p{layers}"]
    [measured] = experiment_homes.rows(
        home,
        f"""SELECT avg(mean_energy) AS energy, stddev_samp(mean_energy) / sqrt(count(*)) AS error, sum(shots) AS shots
            FROM point_scores WHERE experiment = '{row["experiment"]}' AND point = 0""",
    )
    cut, error = -measured["energy"] / row["optimum"], measured["error"] / row["optimum"]
    print(f"{CUBIC_GRAPH} p={layers}: ratio {cut:.4f} +- {error:.4f} over {measured['shots']} shots, published {ratio}")
    assert 5 * error < TOLERANCE
    assert cut == pytest.approx(ratio, abs=TOLERANCE)
