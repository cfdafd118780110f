"""A maximum is shown and told as itself, what clients say of it is taken as such, and what an older release stored is carried on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.service.decisions.decider import Found
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder
from qhybrid_pipelines.service.decisions.decision_models import OutcomeReport
from qhybrid_pipelines.service.decisions.decision_service import DecisionService
from qhybrid_pipelines.service.decisions.decision_views import decision_fields
from qhybrid_pipelines.storage import decision_database
from qhybrid_pipelines_tests.support.decisions import HandClock, HandDecider, order_of, solvers

WORTH = (9, 5, 7, 3)
LP = "Maximize\n worth: 9 a + 5 b + 7 c + 3 d\nSubject To\n room: 4 a + 3 b + 4 c + 2 d <= 9\nBinary\n a b c d\nEnd\n"
QBSOLV = "p qubo 0 4 4 0\n0 0 9\n1 1 5\n2 2 7\n3 3 3\n"


def worth(bits):
    return sum(c for c, bit in zip(WORTH, bits[:4], strict=True) if bit == "1")


def asked(family, *, shift=0, **terms) -> DecisionOrder:
    """Return a maximum as it is sent."""
    if family == "qubo":
        source, text = "bag.qubo", QBSOLV.replace("0 0 9", f"0 0 {9 + shift}")
        problem = {"family": family, "source": source, "options": {"sense": "max"}}
    else:
        source, text = "bag.lp", LP
        problem = {"family": family, "source": source}
    return order_of(problem, files={source: text}, **terms)


@pytest.fixture(name="answering", scope="module")
def _answering():
    found = solvers()
    found.start()
    yield found
    found.close()


@pytest.fixture(name="decider")
def _decider(answering, tmp_path):
    found = HandDecider(tmp_path, answering, HandClock())
    yield found
    found.store.close()


@pytest.mark.parametrize("family", ["qubo", "binary_program"])
def test_it_is_shown_as_itself(decider, family):
    shown = decision_fields(decider.begin(asked(family), may_seek=lambda: True))
    assert (shown["sense"], shown["feasible"]) == ("max", True)
    for one in (shown, *shown["answers"]):
        assert one["objective"] == worth(one["assignment"]) > 0
    assert shown["objective"] == max(one["objective"] for one in shown["answers"])


def weaker(decider, family, **terms):
    """Return a decision whose first answer is worth 3, whatever solvers find."""
    record = decider.begin(asked(family, **terms), may_seek=lambda: True)
    with closing(sqlite3.connect(decider.path)) as connection, connection:
        connection.execute("DELETE FROM answer WHERE place > 0 OR version IS NULL")
        connection.execute("UPDATE answer SET place = 0, assignment = '0001', objective = -3, proved = 0")
        connection.execute("UPDATE decision SET state = 'open', reason = NULL")
    return decider.store.get(record.id)


class TestWhatClientsSay:
    @pytest.mark.parametrize(("factors", "outcome"), [((1, 1), "upgraded"), ((0.1, 8), "low_confidence")])
    def test_scenarios_are_coefficients_of_the_source(self, decider, factors, outcome):
        """Better in every scenario is better, and worse in every one is not sure enough."""
        high, low = factors
        scenarios = [[high * 9, high * 5, high * 7, low * 3]] * 60
        record = weaker(decider, "qubo", scenarios=scenarios)
        assert decider.offer(record.id, Found(source="local:auto", assignment="1000", quantum=True)) == outcome
        judged = decider.store.get(record.id).answers[-1]
        assert (judged.wins, judged.gain) == (60 if outcome == CandidateOutcome.UPGRADED else 0, 6)
        told, _ = decider.store.upgrades(after=0, principal=None, limit=10)
        assert [(one["previous_objective"], one["objective"]) for one in told] == (
            [(3, 9)] if outcome == CandidateOutcome.UPGRADED else []
        )

    @pytest.mark.parametrize(
        ("reported", "values"),
        [
            (OutcomeReport(coefficients=[6, 1, 1, 4]), (4, 6)),
            (OutcomeReport(value=6.5, fallback_value=4.5), (4.5, 6.5)),
        ],
    )
    def test_outcomes_are_as_the_source_means_them(self, decider, reported, values):
        record = weaker(decider, "qubo", scenarios=[[9.0, 5.0, 7.0, 3.0]] * 60)
        decider.offer(record.id, Found(source="local:auto", assignment="1000", quantum=True))
        service = DecisionService(decider, None)
        service.use(record.principal, record.id, 2)
        shown = decision_fields(service.report(record.principal, record.id, reported))
        assert tuple(one["realised"] for one in shown["answers"]) == values
        assert shown["outcome"]["value"] == values[1]
        gate = decider.store.gate(record.principal, record.subject)
        assert (gate.upgrades, gate.worse) == (1, 0)
        rows = decision_database.warehouse_rows(decider.path)
        assert [(row["objective"], row["realised"], row["stored_sign"]) for row in rows] == [
            (3, values[0], -1),
            (9, values[1], -1),
        ]


def test_decisions_of_an_older_release_are_carried_on(decider, answering):
    """It noted nothing about the sense, and an outcome as its client stated it."""
    reported = weaker(decider, "qubo")
    decider.store.use(reported.id, 1)
    lost, program = decider.begin(asked("qubo", shift=1)), decider.begin(asked("binary_program"))
    with closing(sqlite3.connect(decider.path)) as connection, connection:
        connection.execute("UPDATE answer SET realised = 3.5 WHERE decision = ?", (reported.id,))
        connection.execute("UPDATE decision SET content = NULL WHERE id = ?", (lost.id,))
        connection.execute("ALTER TABLE decision DROP COLUMN negated")
        connection.execute("PRAGMA user_version = 4")
    again = HandDecider(decider.path.parent, answering, decider.hand)
    assert {row["stored_sign"] for row in decision_database.warehouse_rows(again.path)} == {1}  # nothing has read them
    again.note_senses()
    assert again.store.without_sense() == []
    shown = {one.id: decision_fields(again.store.get(one.id)) for one in (reported, lost, program)}
    assert [one["sense"] for one in shown.values()] == ["max", "min", "max"]  # that of the second is not known any more
    assert (shown[reported.id]["objective"], shown[reported.id]["answers"][0]["realised"]) == (3, 3.5)
    assert shown[program.id]["objective"] == worth(program.answer.assignment)
    again.store.close()
