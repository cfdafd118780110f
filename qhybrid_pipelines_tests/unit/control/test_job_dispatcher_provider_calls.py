"""Where control meets providers: each failure names the call, time comes from the clock, and no Provider gets further up."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_type_hints

import pyarrow as pa
import pytest

import qhybrid_pipelines
from qhybrid_pipelines.control import home_identity
from qhybrid_pipelines.control import job_dispatcher as dispatcher_module
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger import port as ledger_port
from qhybrid_pipelines.control.policy import rules
from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.execution import port
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, DurableVendor, make_batch

PACKAGE = Path(qhybrid_pipelines.__file__).parent
SUB_BATCH = SubBatch(batch=make_batch(), first_point=0, first_repetition=0)

CALLS = {
    "capabilities": lambda dispatcher: dispatcher.capabilities(BACKEND),
    "calibration": lambda dispatcher: dispatcher.calibration(BACKEND),
    "status": lambda dispatcher: dispatcher.status(BACKEND),
    "estimate": lambda dispatcher: dispatcher.preview([SUB_BATCH], SUBMIT_REQUEST),
    "prepare": lambda dispatcher: dispatcher.preview([SUB_BATCH], SUBMIT_REQUEST),
    "submit": lambda dispatcher: dispatcher.submit(make_batch(), SUBMIT_REQUEST),
}


def fail_from_now_on(vendor: DurableVendor, method: str, error: type[ProviderError] = Unavailable) -> None:
    """Let a vendor's method break as an adapter does: it says what happened, and nothing else."""

    def fail(*_arguments, **_options):
        raise error("the line is dead")

    setattr(vendor, method, fail)


@pytest.mark.parametrize("method", CALLS)
def test_an_error_names_the_provider_and_what_it_was_asked_for(harness: DispatcherHarness, method: str) -> None:
    dispatcher = harness.dispatcher()
    fail_from_now_on(harness.one, method)
    with pytest.raises(ProviderError, match=rf"^vendor: {method} failed: the line is dead$") as caught:
        CALLS[method](dispatcher)
    assert (caught.value.provider, caught.value.phase) == ("vendor", method)


@pytest.mark.parametrize("method", ["poll", "fetch", "cancel"])
def test_so_does_an_error_about_a_job_that_the_provider_has(harness: DispatcherHarness, method: str) -> None:
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    if method == "fetch":
        harness.one.show(job.provider_job_id, JobState.COMPLETED)
    fail_from_now_on(harness.one, method)
    with pytest.raises(ProviderError, match=rf"^vendor: {method} failed: the line is dead$"):
        dispatcher.decisions.cancel(job.job_id) if method == "cancel" else dispatcher.collect(job.job_id, make_batch())


def test_the_innermost_call_is_named(harness: DispatcherHarness) -> None:
    """A submission in doubt is looked up; where that fails, the error is about the look-up."""
    dispatcher = harness.dispatcher()
    fail_from_now_on(harness.one, "submit", Ambiguous)
    fail_from_now_on(harness.one, "find")
    with pytest.raises(Unavailable, match=r"^vendor: find failed"):
        dispatcher.submit(make_batch(), SUBMIT_REQUEST)


def test_what_decides_about_money_asks_no_other_clock(harness: DispatcherHarness) -> None:
    """Every time in the ledger is that of the clock, which stands in a year of its own."""
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    dispatcher.decisions.cancel(job.job_id)
    events = harness.ledger.events(job.job_id)
    assert {event.at for event in events} == {event.observed_at for event in events} == {NOON}
    assert harness.ledger.job(job.job_id).deadline_at > NOON


def names_called(folder: str) -> set[tuple[str, str]]:
    """Every ``name.attribute`` in the modules of a folder, with the module's path."""
    found = set()
    for file in sorted((PACKAGE / folder).rglob("*.py")) if (PACKAGE / folder).is_dir() else [PACKAGE / folder]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else "?"
                found.add((f"{owner}.{node.attr}", str(file.relative_to(PACKAGE))))
    return found


@pytest.mark.parametrize(
    "room", ["jobs", "backends", "policy", "backend_monitoring", "job_dispatcher.py", "control_plane.py"]
)
def test_no_room_about_jobs_reads_a_clock_of_its_own(room: str) -> None:
    assert (PACKAGE / "control" / room).exists()
    clocks = {"datetime.now", "datetime.utcnow", "time.time", "time.time_ns", "time.monotonic", "time.sleep"}
    assert [place for name, place in names_called(f"control/{room}") if name in clocks] == []


def test_the_search_for_clocks_finds_one() -> None:
    """The negative control: where the system's clock is defined."""
    assert ("datetime.now", "core/system/clock.py") in names_called("core/system/clock.py")


def names_for_type_checkers() -> dict[str, object]:
    """Return what the control plane imports for type checkers only, so that its annotations can be resolved."""
    modules = (dispatcher_module, home_identity, ledger_port, rules, circuit_jobs, port)
    return {"pa": pa} | {name: value for module in modules for name, value in vars(module).items()}


@pytest.mark.parametrize("owner", [ControlPlane, Dispatcher])
def test_nothing_public_hands_out_a_provider(owner: type) -> None:
    members = [value for name, value in vars(owner).items() if not name.startswith("_")]
    functions = [getattr(member, "fget", None) or getattr(member, "func", member) for member in members]
    for function in filter(inspect.isfunction, functions):
        hints = get_type_hints(function, localns=names_for_type_checkers())
        assert Provider.__name__ not in str(hints.get("return")), function


@pytest.mark.parametrize("folder", ["steps", "defs", "commands", "launch.py"])
def test_nobody_above_control_reaches_for_one(folder: str) -> None:
    reaching = {"providers", "_providers", "provider_for", "_context"}
    found = [(name, place) for name, place in names_called(folder) if name.partition(".")[2] in reaching]
    assert [place for name, place in found if name != "home.providers"] == []  # that is a folder
