"""A vendor's own exception ends one call, and no round of looks, no command and no neighbour."""

from __future__ import annotations

from typing import ClassVar

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.port import calling, name_call
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


class BackendPropertyError(Exception):
    """Of a vendor's client: derived from nothing of ours."""


RAISED = [
    BackendPropertyError("no T1 of qubit 0"),
    KeyError("status"),
    RuntimeError(),
    AttributeError("'list' has no 'get'"),
]


class OddVendor(DurableVendor):
    """Raises what its client raises, from the methods that are named."""

    raises: ClassVar[dict[str, Exception]] = {}

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in {"poll", "fetch", "cancel", "capabilities", "submit", "find"} and name in OddVendor.raises:

            def odd(*_args, **_kwargs):
                raise OddVendor.raises[name]

            return odd
        return found


@pytest.fixture(autouse=True)
def _healthy():
    OddVendor.raises = {}
    yield
    OddVendor.raises = {}


@pytest.fixture
def dispatcher(tmp_path):
    vendors = {"vendor": OddVendor(tmp_path / "odd"), "other": DurableVendor(tmp_path / "other", name="other")}
    return Dispatcher(MemoryLedger(), vendors, RawStore(tmp_path / "raw"))


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_an_odd_vendor_hides_no_other_in_a_round(dispatcher, raised, tmp_path):
    request = SubmitRequest(tier="batch", budget_usd=5.0)
    odd = dispatcher.submit(make_batch(), request)
    well = dispatcher.submit(make_batch(backend="other:device"), request)
    DurableVendor(tmp_path / "other", name="other").show(well.provider_job_id, JobState.COMPLETED)
    OddVendor.raises = {"poll": raised, "capabilities": raised, "cancel": raised, "fetch": raised}
    summary = dispatcher.poll_due()
    assert [job.job_id for job in summary.changed] == [well.job_id]
    [problem] = summary.problems
    assert isinstance(problem, Unavailable)
    assert type(raised).__name__ in str(problem)
    assert dispatcher.expire_due() == []
    with pytest.raises(ProviderError, match=type(raised).__name__):
        dispatcher.decisions.cancel(odd.job_id)
    OddVendor.raises = {}
    DurableVendor(tmp_path / "odd").show(odd.provider_job_id, JobState.COMPLETED)
    assert [job.job_id for job in dispatcher.poll_due().changed] == [odd.job_id]


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_a_submission_that_raises_anything_is_in_doubt(dispatcher, raised, tmp_path):
    OddVendor.raises = {"submit": raised}
    with pytest.raises(Ambiguous, match=type(raised).__name__):
        dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    OddVendor.raises = {}
    job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    assert job.state is JobState.SUBMITTED
    assert len(DurableVendor(tmp_path / "odd").book()) == 1


def test_a_job_whose_provider_is_gone_hides_no_other(dispatcher, tmp_path):
    request = SubmitRequest(tier="batch", budget_usd=5.0)
    dispatcher.submit(make_batch(), request)
    well = dispatcher.submit(make_batch(backend="other:device"), request)
    other = DurableVendor(tmp_path / "other", name="other")
    other.show(well.provider_job_id, JobState.COMPLETED)
    fewer = Dispatcher(dispatcher._context.ledger, {"other": other}, RawStore(tmp_path / "raw"))
    summary = fewer.poll_due()
    assert [job.job_id for job in summary.changed] == [well.job_id]
    assert [type(problem) for problem in summary.problems] == [InvalidInput]


@pytest.mark.parametrize("method", ["submit", "poll", "prepare", "decode"])
def test_errors_of_ours_pass_as_they_are(method):
    for error in (InvalidInput("wrong", remedy="none"), MemoryError()):
        with pytest.raises(type(error)) as caught, calling("vendor", method):
            raise error
        assert caught.value is error
    with pytest.raises(ValueError, match="as it is"), name_call("vendor", method):
        raise ValueError("as it is")
