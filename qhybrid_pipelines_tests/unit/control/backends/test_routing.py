"""The pure choice of a backend: who may stand in, what is waited for, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls
from qhybrid_pipelines.control.backends.routing import Candidate, choose_route, objection
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.rules import Routing
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROUTING = Routing.model_validate(
    {
        "saturation": {"queued_jobs": 100, "queue_seconds": 3600.0},
        "calibration": {"max_age_seconds": 7200.0, "stale": "reroute"},
    }
)
TIER = Tiers().batch


def calibrated(hours: float) -> Calibration:
    at = NOW - timedelta(hours=hours)
    return Calibration(calibration_id=f"c{hours:g}", measured_at=at, fetched_at=NOW, payload={})


def opened(seconds: float, failures: int = 9) -> Breaker:
    return Breaker(
        backend="a:x", state="open", failures=failures, retry_at=NOW + timedelta(seconds=seconds), reason="503"
    )


def route(*candidates: Candidate, routing: Routing = ROUTING, tier=TIER):
    return choose_route(candidates, routing=routing, tier=tier, now=NOW)


GOOD = Candidate(backend="b:y")
OUT = {
    "unfit": {"unsuitable_reason": "too few qubits"},
    "unreachable": {"unreachable_reason": "timeout"},
    "broken": {"breaker": opened(600)},
    "offline": {"status": BackendStatus(online=False)},
    "stale": {"calibration": calibrated(3)},
    "long queue": {"status": BackendStatus(online=True, queued_jobs=101)},
    "slow queue": {"status": BackendStatus(online=True, queue_seconds=3601.0)},
}


@pytest.mark.parametrize("why", OUT)
def test_a_stand_in_takes_over_and_the_reason_is_told(why) -> None:
    chosen = route(Candidate(backend="a:x", **OUT[why]), GOOD)
    assert chosen.backend == "b:y"
    assert chosen.reason.startswith("'a:x' ")


def test_a_backend_that_is_well_keeps_its_work() -> None:
    well = Candidate(
        backend="a:x",
        breaker=Breaker(backend="a:x", failures=2),
        status=BackendStatus(online=True, queued_jobs=100, queue_seconds=3600.0),
        calibration=calibrated(1.9),
    )
    assert route(well, GOOD) == route(well)
    assert route(well).reason == ""


@pytest.mark.parametrize("why", ["broken", "offline"])
def test_an_outage_without_a_stand_in_is_waited_for(why) -> None:
    chosen = route(Candidate(backend="a:x", **OUT[why]))
    assert chosen.backend == "a:x"
    assert chosen.offline == (why == "offline")


def test_a_long_queue_without_a_stand_in_is_joined() -> None:
    chosen = route(Candidate(backend="a:x", **OUT["long queue"]), Candidate(backend="b:y", **OUT["broken"]))
    assert (chosen.backend, chosen.offline) == ("a:x", False)
    assert "nothing better" in chosen.reason


def test_tiers_tolerate_queues_of_different_length() -> None:
    queued = Candidate(backend="a:x", status=BackendStatus(online=True, queued_jobs=60))
    assert route(queued, GOOD).backend == "a:x"
    assert route(queued, GOOD, tier=Tiers().interactive).backend == "b:y"


@pytest.mark.parametrize(("what", "refused"), [("refuse", True), ("reroute", True), ("accept", False)])
def test_shots_on_a_stale_calibration_are_never_for_want_of_better(what, refused) -> None:
    routing = Routing.model_validate({"calibration": {"max_age_seconds": 7200.0, "stale": what}})
    stale = Candidate(backend="a:x", calibration=calibrated(3))
    if refused:
        with pytest.raises(Refused, match=r"c3 is 3\.0 h old, and 2 h are allowed"):
            route(stale, routing=routing)
    else:
        assert "c3 is 3.0 h old" in route(stale, routing=routing).reason
    if what == "refuse":
        with pytest.raises(Refused):
            route(stale, GOOD, routing=routing)


def test_a_calibration_without_a_date_is_never_stale() -> None:
    undated = Calibration(calibration_id="g", measured_at=None, fetched_at=NOW - timedelta(days=900), payload={})
    routing = Routing.model_validate({"calibration": {"max_age_seconds": 1.0, "stale": "refuse"}})
    assert route(Candidate(backend="a:x", calibration=undated), routing=routing).backend == "a:x"


def test_a_clock_that_is_behind_makes_no_calibration_stale() -> None:
    assert route(Candidate(backend="a:x", calibration=calibrated(-0.2))).reason == ""


def test_a_calibration_of_the_future_has_no_age_that_could_be_trusted() -> None:
    """Except under an emulator, whose clock is known to run ahead."""
    ahead = Candidate(backend="a:x", calibration=calibrated(-30))
    chosen = route(ahead, GOOD)
    assert chosen.backend == "b:y"
    assert "dated 30.0 h in the future" in chosen.reason
    with pytest.raises(Refused, match="in the future"):
        route(ahead)
    assert route(replace(ahead, has_virtual_clock=True)).reason == ""


def test_a_provider_that_asks_for_a_moment_is_given_it_by_a_patient_tier() -> None:
    moment = Candidate(backend="a:x", breaker=opened(20, failures=1))
    assert route(moment, GOOD).backend == "a:x"
    assert route(moment, GOOD, tier=Tiers().interactive).backend == "b:y"
    assert route(Candidate(backend="a:x", breaker=opened(20)), GOOD).backend == "b:y"


def test_where_nobody_can_ever_take_it_all_reasons_are_given() -> None:
    with pytest.raises(Refused, match=r"'a:x' cannot take it: too few.*'b:y' cannot take it: denied"):
        route(
            Candidate(backend="a:x", unsuitable_reason="too few qubits"),
            Candidate(backend="b:y", unsuitable_reason="denied"),
        )
    with pytest.raises(Refused, match=r"^too few qubits$"):
        route(Candidate(backend="a:x", unsuitable_reason="too few qubits"))


facts = st.fixed_dictionaries(
    {
        "unsuitable_reason": st.sampled_from([None, None, "denied"]),
        "unreachable_reason": st.sampled_from([None, None, "timeout"]),
        "breaker": st.sampled_from([None, opened(5), opened(600), opened(5, failures=1)]),
        "status": st.sampled_from([None, BackendStatus(online=False), BackendStatus(online=True, queued_jobs=500)]),
        "calibration": st.sampled_from([None, calibrated(1), calibrated(5)]),
    }
)


@settings(deadline=None, max_examples=300)
@given(st.lists(facts, min_size=1, max_size=4), st.sampled_from(["refuse", "reroute", "accept"]))
def test_laws_of_every_choice(given_facts, stale) -> None:
    """A good one is taken in order; what never fits never gets it; stale shots only where the policy accepts them."""
    routing = ROUTING.model_copy(update={"calibration": ROUTING.calibration.model_copy(update={"stale": stale})})
    candidates = [Candidate(backend=f"v:{i}", **given) for i, given in enumerate(given_facts)]
    free = [c for c in candidates if objection(c, routing=routing, tier=TIER, now=NOW) is None]
    try:
        chosen = route(*candidates, routing=routing)
    except Refused:
        assert not free or stale == "refuse"
        return
    [taken] = [c for c in candidates if c.backend == chosen.backend]
    assert taken.unsuitable_reason is None
    assert stale == "accept" or taken.calibration is None or taken.calibration.calibration_id == "c1"
    if taken not in free:
        held = chosen.offline or taken.unreachable_reason is not None or blocks_calls(taken.breaker, NOW)
        joined = taken.status is not None and taken.status.online
        assert held or joined
        assert chosen.reason
        assert not free or blocks_calls(taken.breaker, NOW)
    elif free:
        assert taken is free[0]
