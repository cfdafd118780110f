"""The questions about many experiments say of the samples what is true of them."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.storage import analyst, warehouse
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.manager_questions import MANAGER_QUESTIONS
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake, sample_learning_tables

FIRST, SECOND, NOISY = (sample.key for sample in sample_experiments.SAMPLES)


def ask(home, title):
    sql = next(question.sql for question in MANAGER_QUESTIONS if question.title == title)
    return analyst.query(home, sql).to_pylist()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("questions"))
    warehouse.publish(home, sample_lake.write(home))
    return home


def test_changes_since_the_run_before(home):
    facts = {row["fact"]: row for row in ask(home, "What changed since the run before?")}
    assert facts.keys() == {"engine_version", "package qiskit-aer"}
    row = facts["engine_version"]
    assert (row["experiment"], row["previous_experiment"], row["cause"]) == (SECOND, FIRST, "code or compiler")
    assert (row["before"], row["after"], row["ratio_before"], row["ratio_after"]) == ("0.17.2", "0.17.3", 0.5, 1.0)


def test_the_best_value(home):
    best = {row["instance"]: row for row in ask(home, "What is the best value so far?")}
    assert best.keys() == {"square", "tiny.csv"}
    assert (best["square"]["best_quantum"], best["square"]["experiment"]) == (4.0, SECOND), "the first to reach it"
    assert (best["tiny.csv"]["best_quantum"], best["tiny.csv"]["model"]) == (0.9, "variational")


def test_the_best_of_what_is_minimised_is_the_smallest(tmp_path):
    home = Home(tmp_path)
    warehouse.publish(home, sample_lake.write(home))
    with analyst.connect(home) as connection:
        connection.execute("CREATE TEMP TABLE turned AS SELECT * REPLACE ('min' AS sense) FROM verdicts")
        sql = next(q.sql for q in MANAGER_QUESTIONS if q.title == "What is the best value so far?")
        found = connection.sql(sql.replace("FROM verdicts", "FROM turned")).to_arrow_table().to_pylist()
    assert [row["best_quantum"] for row in found if row["instance"] == "square"] == [2.0]


def test_the_queue_by_hour(home):
    rows = {row["backend"]: row for row in ask(home, "At which hour is the queue short?")}
    assert {(row["utc_hour"], row["jobs"]) for row in rows.values()} == {(12, 1), (12, 4)}
    assert (rows["local:auto"]["p50_queue_seconds"], rows["local:auto"]["max_queue_seconds"]) == (2.0, 900.0)


def test_what_was_never_better_than_random(home):
    [row] = ask(home, "What was never better than random?")
    assert (row["backend"], row["experiments"], row["best_vs_random"]) == ("ibm:fake_sherbrooke", [NOISY], 0.0)
    assert row["best_lift_of_p_optimum"] == pytest.approx(0.25 / 0.125)


def test_wasted_dollars_and_useful_ones_are_all_dollars(tmp_path):
    home = Home(tmp_path)
    ledger = sample_lake.write(home)
    failed = {"job_id": "jfailed", "experiment": FIRST, "state": "FAILED"}
    open_ = {"job_id": "jopen", "experiment": "line-00000000"}
    learnt = {"job_id": "jvariational", "experiment": sample_learning_tables.KEY}
    for facts, usd in ((failed, 2.0), (open_, 3.0), (learnt, 4.0)):
        ledger["jobs"].append({**ledger["jobs"][0], **facts})
        ledger["costs"].append({**ledger["costs"][0], "job_id": facts["job_id"], "reconciled_usd": usd})
    warehouse.publish(home, ledger)
    rows = ask(home, "Which dollars were wasted?")
    by_use = {}
    for row in rows:
        by_use[row["spent_on"]] = by_use.get(row["spent_on"], 0.0) + row["cost_usd"]
    assert by_use == {
        "check of the bit order": 7.0,
        "useful": pytest.approx(0.8),
        "wasted: nothing but noise": pytest.approx(0.8),
        "wasted: ended without a result": 2.0,
        "wasted: inconclusive": 4.0,
        "no verdict yet": 3.0,
    }
    [whole] = analyst.query(home, "SELECT sum(cost_usd) AS usd, count(*) AS jobs FROM job_costs").to_pylist()
    assert (sum(by_use.values()), sum(row["jobs"] for row in rows)) == (pytest.approx(whole["usd"]), whole["jobs"])
