"""The provider `chaos` does what its plan says, the same each time, and leaves the rest alone."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.core.errors import Ambiguous, CorruptResult, InvalidInput, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.chaos_plan import FAULTS, FaultPlan, is_hit, read_plan
from qhybrid_pipelines.execution.providers.chaos import ChaosProvider, wrap
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.registry import build_providers

BACKEND = "chaos:local.aer-exact"
BATCH, OUTCOMES = canary_batch("single", width=3, qubit=1, backend=BACKEND)


def chaos_provider(tmp_path, *faults: dict, seed: int = 1, **more) -> ChaosProvider:
    plan = FaultPlan.model_validate({"seed": seed, "faults": list(faults)})
    return ChaosProvider(plan, {"local": LocalProvider(tmp_path / "local")}, **more)


def test_offered_only_where_a_plan_lies(tmp_path):
    assert wrap(tmp_path, {}) is None
    assert "chaos" not in build_providers(tmp_path)
    (tmp_path / "chaos").mkdir()
    (tmp_path / "chaos" / "plan.json").write_text("{}")
    chaos = build_providers(tmp_path)["chaos"]
    assert {"chaos:local.auto", "chaos:ionq.simulator", "chaos:ibm.fake_manila"} <= set(chaos.backends())
    assert not any("chaos.chaos" in name or "replay" in name for name in chaos.backends())


def test_in_doubt_before_and_after_acceptance(tmp_path):
    before = chaos_provider(tmp_path, {"on": "submit", "fault": "before", "times": 1})
    with pytest.raises(Ambiguous):
        before.submit(BATCH, "one")
    assert before.find(BACKEND, "one") is None
    after = chaos_provider(tmp_path, {"on": "submit", "fault": "after", "times": 1})
    with pytest.raises(Ambiguous):
        after.submit(BATCH, "two")
    ref = after.find(BACKEND, "two")
    assert ref is not None
    assert after.submit(BATCH, "two") == ref


@pytest.mark.parametrize("method", sorted(FAULTS["throttle"]))
def test_every_call_can_be_throttled_and_slowed(method, tmp_path):
    waited: list[float] = []
    chaos = chaos_provider(
        tmp_path,
        {"on": method, "fault": "slow", "seconds": 3.0},
        {"on": method, "fault": "throttle", "times": 1, "seconds": 5.0},
        clock=Clock(sleep=waited.append),
    )
    calm = chaos_provider(tmp_path)
    ref = calm.submit(BATCH, "a token")
    calls = {
        "submit": lambda: chaos.submit(BATCH, "a token"),
        "find": lambda: chaos.find(BACKEND, "a token"),
        "poll": lambda: chaos.poll([ref]),
        "fetch": lambda: chaos.fetch(ref),
        "cancel": lambda: chaos.cancel(ref),
        "estimate": lambda: chaos.estimate(BATCH),
    }
    with pytest.raises(Throttled) as caught:
        calls[method]()
    assert caught.value.retry_after_seconds == 5.0
    calls[method]()
    assert waited == [3.0, 3.0]


def test_looks_fail_jobs_vanish_and_bytes_change(tmp_path):
    chaos = chaos_provider(
        tmp_path,
        {"on": "poll", "fault": "unavailable", "times": 1},
        {"on": "fetch", "fault": "corrupt", "times": 1},
    )
    ref = chaos.submit(BATCH, "a token")
    with pytest.raises(Unavailable):
        chaos.poll([ref])
    assert chaos.poll([ref])[0].state is JobState.COMPLETED
    with pytest.raises(CorruptResult):
        chaos.decode(chaos.fetch(ref), BATCH)
    assert chaos.decode(chaos.fetch(ref), BATCH).column("bits").to_pylist() == OUTCOMES
    lossy = chaos_provider(tmp_path, {"on": "poll", "fault": "lost", "share": 0.5})
    refs = [lossy.submit(BATCH, f"token {n}") for n in range(20)]
    looks = lossy.poll(refs)
    assert [snapshot.ref for snapshot in looks] == refs
    lost = [snapshot.raw_status == "lost" for snapshot in looks]
    assert 0 < sum(lost) < 20
    assert lost == [
        snapshot.raw_status == "lost"
        for snapshot in chaos_provider(tmp_path, *[f.model_dump() for f in lossy._plan.faults]).poll(refs)
    ]


def test_a_seed_decides_who_is_hit():
    hits = [[is_hit(seed, 0, f"s{n}", 0.3) for n in range(1000)] for seed in (1, 1, 2)]
    assert hits[0] == hits[1] != hits[2]
    assert 250 < sum(hits[0]) < 350
    assert not is_hit(1, 0, "s", 0.0)
    assert is_hit(1, 0, "s", 1.0)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ('{"faults": [{"on": "fetch", "fault": "after"}]}', "faults.0"),
        ('{"faults": [{"on": "submit", "fault": "explode"}]}', "faults.0.fault"),
        ('{"faults": [{"on": "submit", "fault": "after", "share": 2}]}', "faults.0.share"),
        ('{"fautls": []}', "fautls"),
        ("[", None),
        ("[]", None),
    ],
)
def test_what_is_no_plan_names_its_place(plan, field, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(plan)
    with pytest.raises(InvalidInput) as caught:
        read_plan(file)
    assert (caught.value.file, caught.value.field) == ("plan.json", field)
    json.dumps(caught.value.details())
