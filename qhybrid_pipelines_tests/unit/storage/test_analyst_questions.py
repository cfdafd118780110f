"""Every worked question runs, and says of the samples what is true of them."""

import json
import subprocess
import sys

import pytest

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.storage import analyst, warehouse
from qhybrid_pipelines.storage.analyst_questions import QUESTIONS, page
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake

FIRST, SECOND, NOISY = (sample.key for sample in sample_experiments.SAMPLES)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("questions"))
    warehouse.publish(home, sample_lake.write(home))
    return home


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("empty"))
    warehouse.publish(home, {})
    return home


@pytest.fixture(scope="module")
def ask(home):
    by_title = {question.title: question for question in QUESTIONS}
    return lambda title: analyst.query(home, by_title[title].sql).to_pylist()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.title)
def test_runs_on_an_empty_warehouse_too(empty_home, question):
    assert analyst.query(empty_home, question.sql).num_columns > 1


def test_a_changed_number_has_its_facts_named(ask):
    facts = {row["fact"]: row for row in ask("Why did a number change?") if row["after"] == SECOND}
    assert {"engine_version", "package qiskit-aer", "round"} <= facts.keys()
    assert not {"python", "layers", "template_id"} & facts.keys()
    version = facts["engine_version"]
    assert (version["before"], version["value_before"], version["value_after"]) == (FIRST, "0.17.2", "0.17.3")
    assert (version["ratio_before"], version["ratio_after"]) == (0.5, 1.0)


def test_winners(ask):
    assert [(row["verdict"], row["executions"]) for row in ask("Who won, per family?")] == [
        ("tie", 3),
        ("classical_better", 1),
        ("inconclusive", 4),
    ]


def test_costs(ask):
    answer = ask("What did it cost?")
    assert {(row["experiment"], row["backend"]) for row in answer} >= {(NOISY, "ibm:fake_sherbrooke")}
    assert all(
        (row["quoted_usd"], row["reported_usd"], row["reconciled_usd"], row["usd_per_1000_shots"])
        == (0.5, 0.4, None, 1)
        and row["cost_usd"] == row["reported_usd"]
        for row in answer
    )


def test_time(ask):
    answer = [row for row in ask("Where did the time go?") if row["backend"] == "local:auto"]
    assert answer[0] | {"percent": 40.0, "component": "queue", "jobs": 3, "total_seconds": 6.0} == answer[0]
    assert sum(row["percent"] for row in answer) == pytest.approx(100)


def test_points(ask):
    answer = ask("Which parameter points are best?")
    assert [row["point"] for row in answer] == [0, 1] * 4
    second = next(row for row in answer if row["experiment"] == SECOND)
    assert (second["energy"], second["gammas"]) == (pytest.approx(-3.6), [0.3])
    assert {tuple(row["angles"]) for row in answer} == {(0.3, 0.2), (0.4, 0.2)}  # those of the loop, per point


def test_mitigation(ask):
    answer = ask("What did mitigation change?")
    assert {(row["experiment"], row["point"], row["method"]) for row in answer} >= {(FIRST, 0, "two_body")}
    assert all((row["as_measured"], row["mitigated"], row["moved"]) == (-3.5, -3.75, -0.25) for row in answer)
    assert all(row["error_grew_by"] == pytest.approx(1.25) for row in answer)


def test_noise(ask):
    noisy = {(row["experiment"], row["backend"]): row["nothing_but_noise"] for row in ask("Is it noise?")}
    assert noisy == {
        (FIRST, "local:auto"): True,
        (SECOND, "local:auto"): False,
        (NOISY, "ibm:fake_sherbrooke"): True,
        (NOISY, "local:auto"): False,
    }


def test_ceiling(ask):
    findings = {
        (row["experiment"], row["backend"]): row["finding"] for row in ask("Did the reduced model's ceiling limit us?")
    }
    assert findings[FIRST, "local:auto"] == "the ceiling was not reached"
    assert findings[SECOND, "local:auto"] == "the ceiling was reached"


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda jobs: jobs[1].update(payload_sha256=jobs[0]["payload_sha256"]), "payload in two jobs"),
        (lambda jobs: jobs[1].update(provider_job_id=jobs[0]["provider_job_id"]), "vendor job behind two"),
        (lambda jobs: jobs[0].update(attempt=0), "accepted more often"),
    ],
)
def test_what_was_paid_twice_is_found(ask, tmp_path, spoil, finding):
    assert all(row["found"] == 0 and row["checked"] == 5 for row in ask("Was anything paid twice?"))
    ledger = sample_lake.write(Home(tmp_path))
    local = [job for job in ledger["jobs"] if job["backend"] == "local:auto"]
    spoil(local)
    warehouse.publish(Home(tmp_path), ledger)
    sql = next(q.sql for q in QUESTIONS if q.title == "Was anything paid twice?")
    found = [row for row in analyst.query(Home(tmp_path), sql).to_pylist() if row["found"]]
    assert [(finding in row["finding"], row["found"]) for row in found] == [(True, 1)]


def test_drift(ask):
    rounds = [row for row in ask("Did anything drift between rounds?") if row["root"] == FIRST]
    assert [(row["round"], row["change"], row["new_packages"]) for row in rounds] == [(1, None, False), (2, 0.5, True)]
    assert rounds[1]["adjusted"] == "refined around the best point"


def test_a_solution_comes_with_all_that_made_it(ask):
    answer = ask("How do I reproduce a solution?")
    assert len(answer) == 4
    for row in answer:
        assert experiment_key(ExperimentSpec.model_validate(json.loads(row["specification"]))) == row["experiment"]
        assert row["objective"] == sample_experiments.cut(int(row["bitstring"], 2))
        assert row["assignment"] == row["bitstring"][::-1]
        assert None not in row.values()
    assert {row["objective"] for row in answer} == {2.0, 4.0}


def test_waiting(ask):
    stretches = [row for row in ask("Why did this job wait?") if row["experiment"] == FIRST]
    assert {row["job_id"] for row in stretches} == {sample_experiments.job_of(sample_experiments.FIRST, "local:auto")}
    assert len(stretches) == 3
    seconds = [row["seconds"] for row in stretches]
    assert seconds == sorted(seconds, reverse=True)
    # FETCHED is not an end: the job counts as under way until the snapshot.
    assert stretches[0]["state"] == "FETCHED"


def test_calibration(ask):
    (row,) = ask("Which calibration was it?")
    assert (row["experiment"], row["calibration_id"], row["age_hours"]) == (NOISY, "calibration-1", 2.0)
    assert (row["two_qubit_change"], row["readout_change"]) == (0.0, pytest.approx(0.25))


def test_cost_of_a_useful_result(ask):
    answer = {row["backend"]: row for row in ask("What does a useful result cost?")}
    local = answer["local:auto"]
    assert (local["jobs"], local["verified_jobs"], local["useful_results"]) == (3, 3, 3)
    assert (local["cost_usd"], local["usd_per_useful_result"]) == (pytest.approx(1.2), pytest.approx(0.4))
    assert local["usd_per_1000_shots"] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "integer"])
def test_the_page_names_what_duckdb_takes_to_hand_out_times(kind):
    """As in an environment that has DuckDB alone."""
    read = f"import sys, duckdb; sys.modules['pytz'] = None; print(duckdb.sql('SELECT NULL::{kind}, 0').fetchall())"
    read = read.replace("NULL::timestamptz", "now()")
    ended = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == (kind != "timestamptz"), ended.stderr
    assert "only where the package `pytz` is installed" in page()
