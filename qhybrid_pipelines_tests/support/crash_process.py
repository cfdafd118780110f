"""A stage for processes that die: reads commands from its standard input, forks a real process for each, reports its end.

Forking from a process that has everything imported makes a killed run cost milliseconds. Run as a script.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.cancellation import Cancellation
from qhybrid_pipelines.control.jobs.status_poller import PollResult
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Ambiguous, Refused, Throttled
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.core.system.failpoints import VARIABLE, failpoint
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledgers import DATABASE_VARIABLE, open_test_ledger

TRY_AGAIN = 75
#: Of a job that was accepted long ago, so that the vendor's list must show it.
KNOWN_EXPERIMENT = "known-00000000"


def make_vendor(command: dict[str, Any], name: str = "vendor") -> DurableVendor:
    facts = {name: value for name, value in command.get("vendor", {}).items() if name != "has_known_job"}
    return DurableVendor(Path(command["home"]) / name, name=name, **facts)


def find_job(ledger: SqlLedger) -> JobRecord:
    """The job that everything is about, which is not the one that the vendor's list must show."""
    return next(job for job in ledger.jobs() if job.experiment != KNOWN_EXPERIMENT)


def make_dispatcher(command: dict[str, Any]) -> Dispatcher:
    """The dispatcher of a new process; the home's first one submits a job that the vendor's list must show later."""
    home, vendor = Path(command["home"]), make_vendor(command)
    ledger = open_test_ledger(home)
    dispatcher = Dispatcher(ledger, {"vendor": vendor}, RawStore(home / "raw"))
    if command.get("vendor", {}).get("has_known_job") and not ledger.jobs():
        faults = vendor.folder / "faults.json"
        planned = json.loads(faults.read_text()) if faults.exists() else []
        place, os.environ[VARIABLE] = os.environ.get(VARIABLE, ""), ""
        vendor.plan_faults()
        known = make_batch(experiment=KNOWN_EXPERIMENT, seed=1000)
        dispatcher.submit(known, SubmitRequest(tier="batch", budget_usd=1000.0))
        vendor.plan_faults(*planned)
        time.sleep(2 * vendor.lag)
        os.environ[VARIABLE] = place
    return dispatcher


def run_one_job(command: dict[str, Any]) -> None:
    """The whole life of one job, as a pipeline runs it; ``knows_no_wishes`` is one that sends whatever anybody wants."""
    dispatcher = make_dispatcher(command)
    if command.get("knows_no_wishes"):
        WriteAheadSubmission._end_if_unwanted = lambda self, job: None  # the negative control
    batch = make_batch()
    job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=command.get("budget_usd", 0.0)))
    [job] = dispatcher.poll([job])
    if job.provider_job_id is not None:
        dispatcher.collect(job.job_id, batch)


def run_many_jobs(command: dict[str, Any]) -> None:
    """A batch that its provider takes in three parts, submitted together and collected."""
    dispatcher = make_dispatcher(command)
    whole = make_batch(points=3)
    sub_batches = [
        make_sub_batch(whole, first_point=point, points=1, first_repetition=0, repetitions=2) for point in range(3)
    ]
    jobs = dispatcher.submit_all(sub_batches, SubmitRequest(tier="batch", budget_usd=command.get("budget_usd", 0.0)))
    for job, sub_batch in zip(jobs, sub_batches, strict=True):
        if job.provider_job_id is not None:
            dispatcher.collect(job.job_id, sub_batch.batch)


def cancel_job(command: dict[str, Any]) -> None:
    """Submit a job that its vendor lets run, and take it back as ``how`` says; what was done before is found again.

    ``by`` names the person who asks. ``go on`` is what a daemon does that asks for nothing of that kind itself.
    """
    home, one, how = Path(command["home"]), make_vendor(command), command.get("how")
    vendors = {"vendor": one, "other": make_vendor(command, "other")}
    ledger, raw_store = open_test_ledger(home), RawStore(home / "raw")
    dispatcher, by = Dispatcher(ledger, vendors, raw_store), command.get("by")
    if command.get("forgets_who_asked"):
        Cancellation._record_intent = lambda self, job, end, detail: job  # the negative control
    if how == "go on":
        first = find_job(ledger)
        if one.calls("cancel"):  # it did what it was asked for, whether or not anybody heard the answer
            one.show(str(first.provider_job_id), JobState.CANCELLED)
        dispatcher.poll([first])
    batch = make_batch()
    job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=command.get("budget_usd", 0.0)))
    if how is None:
        one.show(job.provider_job_id, JobState.RUNNING)
        (one.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    elif how == "expire":
        Dispatcher(
            ledger, vendors, raw_store, clock=Clock(now=lambda: job.deadline_at + timedelta(seconds=1))
        ).expire_due()
    elif how == "reroute":
        if job.backend == one.backend:
            job = dispatcher.decisions.reroute(job.job_id, make_batch(backend="other:device"), principal=by)
        dispatcher.collect(job.job_id, batch)
    elif how != "go on":
        dispatcher.decisions.cancel(job.job_id, by=by)
        if how == "cancel, but it comes":
            one.show(job.provider_job_id, JobState.COMPLETED)
            dispatcher.poll_due()


def want_back(command: dict[str, Any]) -> None:
    """The command of a person about a job of which nobody knows whether it was accepted; ``by`` names the person."""
    dispatcher = make_dispatcher(command)
    dispatcher.decisions.cancel(find_job(dispatcher.ledger).job_id, by=command["by"])


def tick(command: dict[str, Any]) -> None:
    """What a daemon does every few seconds: it polls, and ends what is overdue; ``meanwhile`` is what its vendor has come to.

    ``knows_no_wishes`` is a daemon of before, which leaves it to persons to ask for what they wanted.
    """
    home, one = Path(command["home"]), make_vendor(command)
    vendors = {"vendor": one, "other": make_vendor(command, "other")}
    ledger = open_test_ledger(home)
    dispatcher = Dispatcher(ledger, vendors, RawStore(home / "raw"))
    first = find_job(ledger)
    if one.calls("cancel"):  # it did what it was asked for, whether or not anybody heard the answer
        one.show(str(first.provider_job_id), JobState.CANCELLED)
    elif "meanwhile" in command:
        one.show(str(first.provider_job_id), JobState(command["meanwhile"]))
    if command.get("knows_no_wishes"):
        Cancellation.carry_out = lambda self, poller: PollResult()  # the negative control
    dispatcher.poll_due()
    dispatcher.expire_due()
    for job in ledger.jobs(states=[JobState.COMPLETED, JobState.FETCHED]):
        if job.experiment != KNOWN_EXPERIMENT:
            dispatcher.collect(job.job_id, make_batch())


def spend_budget(command: dict[str, Any]) -> None:
    """One of many that spend from one budget: own work, same experiment, until the budget says no."""
    home, vendor = Path(command["home"]), make_vendor(command)
    dispatcher = Dispatcher(open_test_ledger(home), {"vendor": vendor}, RawStore(home / "raw"))
    for number in range(command["tries"]):
        batch = make_batch(seed=os.getpid() * 1000 + number * 10)
        try:
            job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=command["budget_usd"]))
            if number % 2:
                dispatcher.collect(job.job_id, batch)
        except Refused:
            continue


def submit_naively(command: dict[str, Any]) -> None:
    """The negative control: submit, then note the id."""
    noted = Path(command["home"]) / "noted"
    if not noted.exists():
        ref = make_vendor(command).submit(make_batch(), token=uuid.uuid4().hex)
        failpoint("naive.accepted")
        noted.write_text(ref.provider_job_id)


def perform(command: dict[str, Any]) -> int:
    os.environ[VARIABLE] = command.get("failpoint", "")
    if "ledgers_in" in command:
        os.environ[DATABASE_VARIABLE] = command["ledgers_in"]
    try:
        {
            "prepare": make_dispatcher,
            "life": run_one_job,
            "many": run_many_jobs,
            "take_back": cancel_job,
            "want_back": want_back,
            "tick": tick,
            "spender": spend_budget,
            "naive": submit_naively,
        }[command["action"]](command)
    except (Ambiguous, Throttled):
        return TRY_AGAIN
    except Exception:  # noqa: BLE001 - a child must report, whatever happened
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        run_one_job({"home": home})  # what a process imports late and compiles once, its forks need not do again
    for line in sys.stdin:
        command = json.loads(line)
        children = []
        for _ in range(command.get("copies", 1)):
            child = os.fork()
            if child == 0:
                os._exit(perform(command))
            children.append(child)
        if "kill_after_seconds" in command:
            kill_later(children[0], command["kill_after_seconds"])
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(ends) + "\n")
        sys.stdout.flush()


def kill_later(child: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
