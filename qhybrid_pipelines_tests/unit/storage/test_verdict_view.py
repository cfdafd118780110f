"""One view for what came out: optimisations and learning, times, figures against random, labels, and money that adds up."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.storage import analyst, schemas, warehouse
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake, sample_learning_tables

LABELS = [
    {"experiment": sample_experiments.NOISY.key, "kind": kind, "label": label}
    for kind, label in (("owner", "ada"), ("tag", "paper"), ("tag", "first"))
]
LABELS.append({"experiment": sample_learning_tables.KEY, "kind": "owner", "label": "grace"})


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return sample_lake.write(Home(tmp_path_factory.mktemp("ledger")))


def published(home, change=lambda ledger: None):
    ledger = sample_lake.write(home)
    change(ledger)
    warehouse.publish(home, ledger, labels=LABELS)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return published(Home(tmp_path_factory.mktemp("verdicts")))


def rows(home, sql):
    return analyst.query(home, sql).to_pylist()


def test_an_optimisation_has_its_time_its_labels_and_what_random_would_do(home):
    sql = f"FROM verdicts WHERE experiment = '{sample_experiments.NOISY.key}' AND backend = 'ibm:fake_sherbrooke'"
    [row] = rows(home, sql)
    key = PartitionKey(experiment=sample_experiments.NOISY.key, backend="ibm:fake_sherbrooke")
    [comparison] = Lake(home).read(schemas.BASELINE_COMPARISONS, key).to_pylist()
    [provenance] = Lake(home).read(schemas.PROVENANCE, key).to_pylist()
    assert (row["kind"], row["model"], row["owner"], row["tags"]) == ("optimisation", None, "ada", "first, paper")
    assert (row["vs_random"], row["noise_like"]) == (comparison["random_corrected_ratio"], True)
    bounds = [comparison[f"random_corrected_{end}"] for end in ("low", "high")]
    assert [row["vs_random_low"], row["vs_random_high"]] == bounds
    assert (row["p_optimum"], row["random_p_optimum"]) == (comparison["p_optimum"], comparison["random_p_optimum"])
    assert row["decided_at"] == provenance["recorded_at"]
    [asked] = rows(home, f"SELECT created_at FROM experiments WHERE experiment = '{sample_experiments.NOISY.key}'")
    assert row["created_at"] == asked["created_at"] < row["decided_at"]


def test_learning_has_a_row_per_circuit_and_way_to_measure(home):
    stored = Lake(home).read(schemas.QML_VERDICTS, PartitionKey(experiment=sample_learning_tables.KEY)).to_pylist()
    expected = {
        (row["model"], row["backend"], row["shots"]): (row["verdict"], row["model_mean"], row["gain"], row["metric"])
        for row in stored
        if row["scope"] == "all"
    }
    found = rows(home, "FROM verdicts WHERE kind = 'learning'")
    assert {
        (row["model"], row["backend"], row["shots"]): (row["verdict"], row["best_quantum"], row["gain"], row["unit"])
        for row in found
    } == expected
    assert len(found) == len(expected) > 1
    assert {(row["owner"], row["family"], row["instance"], row["noise_like"]) for row in found} == {
        ("grace", "qml", "tiny.csv", None)
    }
    assert {row["decided_at"] for row in found} == {sample_learning_tables.DECIDED_AT}


def test_money_of_verdicts_adds_up_to_that_of_their_jobs(tmp_path):
    """Also where two circuits were measured by one job: each bears its share."""

    def measured_together(ledger):
        head = {"experiment": sample_learning_tables.KEY, "job_id": "jseparable"}
        ledger["jobs"].append({**ledger["jobs"][0], **head})
        ledger["costs"].append({**ledger["costs"][0], **head, "reconciled_usd": 0.3})

    home = published(Home(tmp_path), measured_together)
    [whole] = rows(home, "SELECT sum(cost_usd) AS usd FROM verdicts")
    [jobs] = rows(home, "SELECT sum(cost_usd) AS usd FROM job_costs WHERE NOT canary")
    assert whole["usd"] == pytest.approx(jobs["usd"]) == pytest.approx(4 * 0.4 + 0.3)
    [learnt] = rows(home, "SELECT model, backend, cost_usd FROM verdicts WHERE kind = 'learning' AND cost_usd > 0")
    assert learnt == {"model": "separable", "backend": "local:auto", "cost_usd": pytest.approx(0.3)}


@pytest.mark.parametrize(
    ("facts", "cost"),
    [
        ({"reconciled_usd": 0.1, "reported_usd": 0.2}, 0.1),
        ({"reported_usd": 0.2}, 0.2),
        ({"reported_usd": None}, 0.5),
        ({"reported_usd": None, "provider_job_id": None}, 0.0),
    ],
)
def test_one_rule_says_what_a_job_costs(tmp_path, facts, cost):
    def change(ledger):
        ledger["costs"][0].update({k: v for k, v in facts.items() if k.endswith("_usd")})
        ledger["jobs"][0].update({k: v for k, v in facts.items() if not k.endswith("_usd")})

    home = published(Home(tmp_path), change)
    job_id = sample_experiments.job_of(sample_experiments.FIRST, "local:auto")
    for relation in ("job_costs", "operations_log"):
        assert rows(home, f"SELECT cost_usd FROM {relation} WHERE job_id = '{job_id}'") == [{"cost_usd": cost}]
    assert rows(home, f"SELECT cost_usd FROM verdicts WHERE experiment = '{sample_experiments.FIRST.key}'") == [
        {"cost_usd": cost}
    ]


def test_money_has_one_name_for_one_thing(home):
    """A cost is `cost_usd` and nothing else; what it is made of is quoted, reported, reconciled."""
    columns = rows(home, "SELECT DISTINCT column_name AS name FROM duckdb_columns() WHERE column_name LIKE '%usd%'")
    allowed = {"quoted_usd", "reported_usd", "reconciled_usd", "cost_usd", "budget_usd"}
    figures = {"usd_per_useful_result", "usd_per_1000_shots"}
    prices = {row["name"] for row in columns if row["name"].startswith(("price", "usd_per_"))}
    assert {row["name"] for row in columns} - allowed - figures - prices == {"cost_quoted_usd"}  # of `qpu_submissions`
