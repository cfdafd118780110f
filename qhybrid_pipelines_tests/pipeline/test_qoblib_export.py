"""Experiments on the library's own files become a submission that its rules accept; what found nothing is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.steps.on_demand.qoblib_export import export_qoblib
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.qoblib_rules import (
    SMALL_ROUTES,
    check_submission,
    independent_set_errors,
    market_split_errors,
    routing_errors,
    sequence_energy,
)

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow]

INSTANCES = Path(__file__).resolve().parents[1] / "instances" / "qoblib"
QUICK = {"sweep": {"strategy": "ramp", "points": 1}, "shots": 128, "repetitions": 3, "rounds": {"max": 1}}
GRAPH = INSTANCES / "independent_set" / "ibm32.gph"
SPLIT = INSTANCES / "market_split" / "ms_03_050_002.dat"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    home = tmp_path_factory.mktemp("qoblib") / "home"
    launcher = experiment_homes.make_launcher(home)
    independent = {"family": "independent_set", "source": str(GRAPH)}
    market_split = {"family": "market_split", "source": str(SPLIT)}
    routes = home.parent / "small-k3.vrp"
    routes.write_text(SMALL_ROUTES)
    specs = [
        {"name": "one layer", "problem": independent, "ansatz": {"layers": 1}, **QUICK},
        {"name": "two layers", "problem": independent, "ansatz": {"layers": 2}, **QUICK},
        {"name": "split", "problem": market_split, **QUICK},
        {"name": "hopeless", "problem": market_split, "reduce": {"max_qubits": 2, "windows": 1}, **QUICK},
        {"name": "karate", "problem": {"family": "independent_set", "source": "networkx:karate_club"}, **QUICK},
        {"name": "sequence", "problem": {"family": "labs", "source": {"generator": "length", "n": 8}}, **QUICK},
        {
            "name": "routes",
            "problem": {"family": "vehicle_routing", "source": str(routes), "options": {"vehicles": 3}},
            **QUICK,
        },
    ]
    keys = experiment_homes.register(launcher, specs)
    experiment_homes.run(launcher, keys[2:])
    return launcher.workspace, keys, launcher


def exported(ran, keys, folder):
    return export_qoblib(keys, folder, ran[0].specifications, ran[0].lake, submitter="Ada Lovelace (London)")


@pytest.mark.long
def test_two_experiments_on_one_instance(ran, tmp_path):
    keys = ran[1][:2]
    experiment_homes.run(ran[2], keys)
    rows = exported(ran, keys, tmp_path / "submission")
    assert check_submission(tmp_path / "submission") == []
    place = tmp_path / "submission" / "ibm32"
    with (place / "ibm32_summary.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert written == [one.row for one in rows]
    for number, row in enumerate(written):
        solution = (place / "solutions" / f"ibm32_solution_{number}.sol").read_text()
        assert independent_set_errors(GRAPH.read_text(), solution) == []
        assert float(row["Best Objective Value"]) == solution.count(" 1\n")
        assert (row["# Runs"], row["Submitter"]) == ("3", "Ada Lovelace (London)")
        assert keys[number] in row["Remarks"]
        assert 0 < float(row["Total Runtime"]) < 600


def is_solved(ran, key):
    """Tell whether a quantum run reached a residual of 0."""
    partition = PartitionKey(experiment=key, backend="local:auto")
    return 0 in ran[0].lake.read(schemas.SCORED_SOLUTIONS, partition).column("objective").to_pylist()


@pytest.mark.parametrize("number", [2, 3], ids=["sixteen qubits", "two qubits"])
def test_only_exact_splits_are_solutions(ran, number, tmp_path):
    """Two of twenty variables seldom solve a market split, sixteen often do; what is written is a solution, or nothing is."""
    key, folder = ran[1][number], tmp_path / "split"
    if not is_solved(ran, key):
        with pytest.raises(InvalidInput, match="found a solution of ms_03_050_002 by the rules of 01-marketsplit"):
            exported(ran, [key], folder)
        assert not folder.exists()
        return
    [one] = exported(ran, [key], folder)
    assert check_submission(folder) == []
    text = (folder / "ms_03_050_002" / "ms_03_050_002_solution.sol").read_text()
    assert market_split_errors(SPLIT.read_text(), text) == []
    assert one.row["Best Objective Value"] == "0"


def test_a_sequence_and_its_energy(ran, tmp_path):
    [one] = exported(ran, [ran[1][5]], tmp_path / "sequence")
    assert check_submission(tmp_path / "sequence") == []
    text = (tmp_path / "sequence" / "labs008" / "labs008_solution.sol").read_text()
    assert float(one.row["Best Objective Value"]) == sequence_energy(8, text)


def test_routes_and_their_length(ran, tmp_path):
    [one] = exported(ran, [ran[1][6]], tmp_path / "routes")
    assert check_submission(tmp_path / "routes") == []
    text = (tmp_path / "routes" / "small-k3" / "small-k3_solution.sol").read_text()
    assert routing_errors(SMALL_ROUTES, text) == []
    assert text.endswith(f"Cost {one.row['Best Objective Value']}\n")


def test_a_submission_is_of_one_class(ran, tmp_path):
    with pytest.raises(InvalidInput, match="are of 2 classes, 02-labs and 09-routing"):
        exported(ran, ran[1][5:], tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()


def test_an_instance_that_the_library_does_not_have_is_refused(ran, tmp_path):
    with pytest.raises(InvalidInput, match="karate_club of the family independent_set is not an instance of QOBLIB"):
        exported(ran, ran[1][4:5], tmp_path / "karate")
    assert not (tmp_path / "karate").exists()


def test_a_folder_with_something_in_it_is_refused(ran, tmp_path):
    (tmp_path / "old.txt").write_text("old")
    with pytest.raises(InvalidInput, match="is not an empty folder"):
        exported(ran, ran[1][:1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_somebody_submits_it(ran, tmp_path):
    with pytest.raises(InvalidInput, match="no submitter is named"):
        export_qoblib(ran[1][:1], tmp_path / "new", ran[0].specifications, ran[0].lake, submitter=" ")
