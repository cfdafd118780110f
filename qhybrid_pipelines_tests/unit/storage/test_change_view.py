"""The view `changes` finds what `problems.execution_differences` finds, which is written in another language."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.problems.execution_differences import changed_facts
from qhybrid_pipelines.storage import analyst, schemas, warehouse
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import sample_execution_tables, sample_lake
from qhybrid_pipelines_tests.support.sample_experiments import NOON, Sample, specification

IBM, LOCAL = "ibm:fake_sherbrooke", "local:auto"
#: In the order in which they were registered; each is told from the one before it.
LINE = (
    Sample(specification("line")),
    Sample(specification("line", ansatz={"layers": 2}, shots=200)),
    Sample(specification("line", ansatz={"layers": 2}, shots=200, seed=5, tier="interactive", budget={"usd": 9.0})),
    Sample(specification("line", (IBM,), ansatz={"layers": 2}, seed=5)),
    Sample(specification("line", (LOCAL, IBM), ansatz={"layers": 2}, seed=6)),
    Sample(
        specification("line", (LOCAL, IBM), ansatz={"layers": 2}, seed=7, problem={"family": "maxcut", "source": "x:y"})
    ),
)
#: What the record of an execution says otherwise than the sample, by place in the line.
RECORDS = {
    2: {"engine_version": "9.9", "git_dirty": True, "packages": json.dumps({"numpy": "2.0"}), "platform": "Windows"},
    4: {"calibration_id": "calibration-of-another-day", "git_revision": "f" * 40},
    5: {"compiled_sha256": "c" * 64, "compiled_depth": 99, "git_revision": "f" * 40, "calibration_id": None},
}


def execution_rows(sample, number, backend):
    """Return the rows of the tables that are compared, of one execution."""
    tables = dict(sample_execution_tables.execution_tables(sample, backend))
    provenance = tables[schemas.PROVENANCE][0] | RECORDS.get(number, {})
    batch = tables[schemas.CIRCUIT_BATCHES][0]
    return provenance, batch


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("line"))
    lake = Lake(home)
    for number, sample in enumerate(LINE):
        row = dict(sample_lake.experiment_tables(sample))[schemas.EXPERIMENTS][0]
        row["created_at"] = NOON + timedelta(minutes=number)
        lake.write(schemas.EXPERIMENTS, PartitionKey(experiment=sample.key), from_rows(schemas.EXPERIMENTS, [row]))
        for backend in sample.spec.backends:
            key = PartitionKey(experiment=sample.key, backend=backend)
            provenance, batch = execution_rows(sample, number, backend)
            lake.write(schemas.PROVENANCE, key, from_rows(schemas.PROVENANCE, [provenance]))
            lake.write(schemas.CIRCUIT_BATCHES, key, from_rows(schemas.CIRCUIT_BATCHES, [batch]))
    other = Sample(replace_name(LINE[1].spec, "elsewhere"))
    row = dict(sample_lake.experiment_tables(other))[schemas.EXPERIMENTS][0]
    lake.write(schemas.EXPERIMENTS, PartitionKey(experiment=other.key), from_rows(schemas.EXPERIMENTS, [row]))
    warehouse.publish(home, {})
    return home


def replace_name(spec, name):
    return spec.model_copy(update={"name": name})


def expected_facts(number, before, after):
    """Return what the comparison in Python finds between an execution and the one before it."""
    (old, old_batch), (new, new_batch) = (
        execution_rows(LINE[number - 1], number - 1, before),
        execution_rows(LINE[number], number, after),
    )
    sides = [
        {"specification": LINE[n].spec.model_dump(mode="json"), "backend": backend, "provenance": record}
        for n, backend, record in ((number - 1, before, old), (number, after, new))
    ]
    found = changed_facts(*sides, angles_differ=old_batch["bindings"] != new_batch["bindings"])
    return {(fact.cause.value, fact.fact): (fact.before, fact.after) for fact in found}


#: Which execution is held against which: the same backend where both ran there, else the first of each.
HELD = {1: [(LOCAL, LOCAL)], 2: [(LOCAL, LOCAL)], 3: [(LOCAL, IBM)], 4: [(IBM, IBM)], 5: [(LOCAL, LOCAL), (IBM, IBM)]}


def test_it_finds_what_the_comparison_in_python_finds(home):
    found = defaultdict(dict)
    for row in analyst.query(home, "FROM changes").to_pylist():
        pair = (row["previous_experiment"], row["experiment"], row["previous_backend"], row["backend"])
        assert (row["cause"], row["fact"]) not in found[pair]
        found[pair][row["cause"], row["fact"]] = (row["before"], row["after"])
    expected = {
        (LINE[number - 1].key, LINE[number].key, before, after): facts
        for number, pairs in HELD.items()
        for before, after in pairs
        if (facts := expected_facts(number, before, after))
    }
    assert found == expected
    causes = {cause for facts in found.values() for cause, _ in facts}
    assert causes == {"specification", "shots", "seed", "backend", "calibration", "code or compiler"}


def test_what_says_who_asks_or_what_may_be_spent_is_no_change(home):
    facts = {row["fact"] for row in analyst.query(home, "SELECT fact FROM changes").to_pylist()}
    assert not {"name", "tier", "budget.usd", "backends"} & facts


def test_other_angles_are_said_where_no_field_says_why(tmp_path):
    home, (first, second) = Home(tmp_path), LINE[:2]
    lake = Lake(home)
    for number, sample in enumerate((first, replace(first, spec=first.spec.model_copy(update={"seed": 3})))):
        key = PartitionKey(experiment=sample.key, backend=LOCAL)
        row = dict(sample_lake.experiment_tables(sample))[schemas.EXPERIMENTS][0]
        row["created_at"] = NOON + timedelta(minutes=number)
        provenance, batch = execution_rows(sample, 0, LOCAL)
        batch["bindings"] = [[number * 0.5, 0.2]] * len(batch["bindings"])
        lake.write(schemas.EXPERIMENTS, PartitionKey(experiment=sample.key), from_rows(schemas.EXPERIMENTS, [row]))
        lake.write(schemas.PROVENANCE, key, from_rows(schemas.PROVENANCE, [provenance]))
        lake.write(schemas.CIRCUIT_BATCHES, key, from_rows(schemas.CIRCUIT_BATCHES, [batch]))
    warehouse.publish(home, {})
    found = analyst.query(home, "SELECT cause, fact, before, after FROM changes ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("seed", "seed", str(first.spec.seed), "3"),
        ("specification", "angles", "one list", "another"),
    ]
    assert second.key not in {row["experiment"] for row in analyst.query(home, "FROM changes").to_pylist()}
