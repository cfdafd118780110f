"""The warehouse shows every answer of the decision service, and what was missed: counted again by hand."""

from __future__ import annotations

import sqlite3

import pytest

from qhybrid_pipelines.service.decisions.decider import Found
from qhybrid_pipelines.service.decisions.decision_models import OutcomeReport
from qhybrid_pipelines.service.decisions.decision_service import DecisionService
from qhybrid_pipelines.steps.operate.warehouse import family_rows
from qhybrid_pipelines.storage import decision_database, warehouse
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.decisions import (
    HandClock,
    HandDecider,
    dispatch,
    only_greedy,
    order,
    order_of,
    plain_value,
    round_of,
    solvers,
)


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory):
    """A home with three decisions: upgraded and used, kept with a better one that came late, and one without an outcome."""
    home = Home(tmp_path_factory.mktemp("decisions") / "home").make()
    hand = HandClock()
    only_greedy(home.path, hand)
    answering = solvers()
    answering.start()
    decider = HandDecider(home.path, answering, hand)
    service = DecisionService(decider, None)
    weights = round_of(0)[0].instance.payload["weights"]
    for late, told in ((False, True), (True, True), (True, False)):
        record = decider.begin(order(dispatch(0)), principal=f"{late} {told}", may_seek=lambda: True)
        hand.go(7200.0 if late else 1.0)
        decider.offer(record.id, Found(source="local:auto", assignment=round_of(0)[2], quantum=True))
        if told:
            version = decider.store.get(record.id).status.version
            service.use(record.principal, record.id, version)
            service.report(record.principal, record.id, OutcomeReport(coefficients=[2 * w for w in weights]))
    decider.store.close()
    answering.close()
    warehouse.publish(home, {}, families=family_rows())
    return home


def test_every_answer_has_a_row(home):
    rows = query(home, "SELECT principal, source, outcome, version FROM service_decisions ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("False True", "greedy", None, 1),
        ("False True", "local:auto", "upgraded", 2),
        ("True False", "greedy", None, 1),
        ("True False", "local:auto", "late", None),
        ("True True", "greedy", None, 1),
        ("True True", "local:auto", "late", None),
    ]


def test_regret_is_what_the_best_would_have_been_worth_more(home):
    problem, greedy, best = round_of(0)
    low, high = (2 * plain_value(problem, text) for text in (greedy, best))
    rows = {row["principal"]: row for row in query(home, "SELECT * FROM regret").to_pylist()}
    assert rows.keys() == {"False True", "True True"}
    upgraded, kept = rows["False True"], rows["True True"]
    assert (upgraded["version"], upgraded["source"], upgraded["best_source"]) == (2, "local:auto", "local:auto")
    assert [upgraded[name] for name in ("value", "fallback_value", "gain", "regret")] == pytest.approx(
        [high, low, high - low, 0.0]
    )
    assert upgraded["upgraded_for_the_worse"] is False
    assert (kept["version"], kept["source"], kept["best_source"]) == (1, "greedy", "local:auto")
    assert [kept[name] for name in ("value", "gain", "regret")] == pytest.approx([low, 0.0, high - low])


def test_of_a_maximum_the_largest_is_the_best(tmp_path):
    """4 was given, and 6 came too late; both as the source means them, which the database holds as -4 and -6."""
    home, hand = Home(tmp_path / "home").make(), HandClock()
    answering = solvers()
    answering.start()
    decider = HandDecider(home.path, answering, hand)
    service = DecisionService(decider, None)
    problem = {"family": "qubo", "source": "two.qubo", "options": {"sense": "max"}}
    asked = order_of(problem, files={"two.qubo": "p qubo 0 2 2 0\n0 0 4\n1 1 2\n"}, quantum=True)
    record = decider.begin(asked, may_seek=lambda: True)
    with sqlite3.connect(decider.path) as connection:
        connection.execute("DELETE FROM answer WHERE version IS NULL")
        connection.execute("UPDATE answer SET assignment = '10', objective = -4, proved = 0")
        connection.execute("UPDATE decision SET state = 'open', reason = NULL")
    connection.close()
    hand.go(7200.0)
    decider.offer(record.id, Found(source="local:auto", assignment="11", quantum=True))
    service.use(record.principal, record.id, 1)
    service.report(record.principal, record.id, OutcomeReport(coefficients=[4.0, 2.0]))
    decider.store.close()
    answering.close()
    warehouse.publish(home, {}, families=family_rows())
    [row] = query(home, "SELECT value, gain, best_value, regret FROM regret").to_pylist()
    assert tuple(row.values()) == (4.0, 0.0, 6.0, 2.0)
    shown = query(home, "SELECT objective, realised, stored_sign, reported_value FROM service_decisions ORDER BY place")
    assert [tuple(row.values()) for row in shown.to_pylist()] == [(4.0, 4.0, -1, 4.0), (6.0, 6.0, -1, 4.0)]


def test_a_database_that_cannot_be_read_keeps_no_warehouse_from_being_published(tmp_path):
    home = Home(tmp_path).make()
    home.service_decisions.write_bytes(b"no database at all, and long enough to be taken for one" * 40)
    assert decision_database.warehouse_rows(home.service_decisions) == []
    assert warehouse.publish(home, {}).tables["service_decisions"] == 0


def test_without_a_service_there_is_nothing(tmp_path):
    home = Home(tmp_path).make()
    assert decision_database.changed_ns(home.service_decisions) == 0
    assert warehouse.publish(home, {}).tables["service_decisions"] == 0
