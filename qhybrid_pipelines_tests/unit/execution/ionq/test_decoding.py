"""Probabilities to counts: frequencies are counted, exact distributions are sampled with the batch's own seeds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, RawResult
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.ionq.decoding import CONTENT_TYPE, decode, details, envelope
from qhybrid_pipelines.execution.ionq.payload import circuit_names
from qhybrid_pipelines.execution.sampling import sample_point

WIDTH = 4


def make_batch(device: str, *, shots: int = 100, repetitions: int = 2) -> CircuitBatch:
    return canary_batch("batch", width=WIDTH, qubit=0, backend=f"ionq:{device}", shots=shots, repetitions=repetitions)[
        0
    ]


def raw_result_for(batch: CircuitBatch, results: list[dict[str, float]], *, per_page: int = 4) -> RawResult:
    """What the vendor would answer: one dictionary of probabilities per circuit."""
    names = circuit_names(batch)
    device = batch.backend.partition(":")[2]
    ids = [f"child-{place}" for place in range(len(names))]
    common = {"backend": device, "shots": batch.shots, "status": "completed", "stats": {"qubits": WIDTH}}
    job = {**common, "id": "parent", "type": "ionq.multi-circuit.v1", "child_job_ids": ids}
    children = [
        {**common, "id": one, "name": name, "parent_job_id": "parent"} for one, name in zip(ids, names, strict=True)
    ]
    pages = [{"jobs": children[at : at + per_page], "next": None} for at in range(0, len(children), per_page)]
    content = envelope(
        json.dumps(job, indent=1).encode(),
        [json.dumps(page).encode() for page in pages],
        json.dumps(dict(zip(ids, results, strict=True))).encode(),
    )
    ref = JobRef(provider="ionq", backend=batch.backend, provider_job_id="parent")
    return RawResult(ref=ref, content=content, content_type=CONTENT_TYPE)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_frequencies_give_back_the_counts(data):
    shots = data.draw(st.integers(1, 10_000))
    batch = make_batch("qpu.aria-1", shots=shots, repetitions=1)
    wanted = []
    for _ in range(batch.points):
        outcomes = data.draw(st.lists(st.integers(0, 2**WIDTH - 1), min_size=1, max_size=min(shots, 9), unique=True))
        cuts = sorted(
            data.draw(st.sets(st.integers(1, shots - 1), min_size=len(outcomes) - 1, max_size=len(outcomes) - 1))
            if len(outcomes) > 1
            else []
        )
        wanted.append(dict(zip(outcomes, np.diff([0, *cuts, shots]).tolist(), strict=True)))
    results = [{str(outcome): round(count / shots, 9) for outcome, count in point.items()} for point in wanted]
    counts = decode(raw_result_for(batch, results), batch)
    found = [{} for _ in wanted]
    for row in counts.to_pylist():
        found[row["point"]][row["bits"]] = row["count"]
    assert found == wanted


def test_exact_probabilities_are_sampled_as_the_local_simulator_samples_them():
    batch = make_batch("simulator", shots=1000, repetitions=2)
    exact = np.random.default_rng(3).dirichlet(np.ones(2**WIDTH), size=batch.points)
    results = [
        {str(outcome): float(p) for outcome, p in enumerate(exact[point])}
        for point in range(batch.points)
        for _ in range(2)
    ]
    expected = counts_table(sample_point(exact[p], batch.seeds[p], 1000, point=p) for p in range(batch.points))
    assert decode(raw_result_for(batch, results), batch).equals(expected)


def test_a_machine_has_no_exact_probabilities():
    batch = make_batch("qpu.aria-1", shots=1000)
    with pytest.raises(CorruptResult, match="are not frequencies"):
        decode(raw_result_for(batch, [{"0": 1 / 3, "1": 2 / 3}] * 6), batch)


@pytest.mark.parametrize("total", [0.999, 1.001])
def test_a_distribution_that_is_not_one_is_not_sampled(total):
    batch = make_batch("simulator", shots=1000)
    with pytest.raises(CorruptResult, match="are not frequencies"):
        decode(raw_result_for(batch, [{"0": total / 3, "1": 2 * total / 3}] * 6), batch)


def test_outcomes_with_no_counts_are_left_out():
    batch = make_batch("qpu.aria-1")
    counts = decode(raw_result_for(batch, [{"0": 1.0, "5": 0.0}] * 6), batch)
    assert counts.column("bits").to_pylist() == [0] * 6


def test_every_byte_of_the_answers_is_kept():
    job, page, results = b'{ "id" :1,\n "\xc3\xa4": 1e-3}', b'{"jobs":[]}', b"{ }"
    kept = json.loads(envelope(job, [page], results))
    assert [kept["job"].encode(), kept["children"][0].encode(), kept["results"].encode()] == [job, page, results]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_cut_or_changed_byte_gives_other_counts(data):
    """Whatever happens to one byte, the counts are the same or refused."""
    batch = make_batch("qpu.aria-1", repetitions=1)
    raw = raw_result_for(batch, [{"1": 0.25, "6": 0.75}] * 3)
    truth = decode(raw, batch)
    place = data.draw(st.integers(0, len(raw.content) - 1))
    if data.draw(st.booleans()):
        content = raw.content[:place]
    else:
        content = raw.content[:place] + bytes([data.draw(st.integers(0, 255))]) + raw.content[place + 1 :]
    try:
        found = decode(replace(raw, content=content), batch)
    except CorruptResult:
        return
    # An outcome's own digits carry no check of their own: there are as many shots, on outcomes of this width.
    assert found.column("point").equals(truth.column("point"))
    assert pc.sum(found.column("count")).as_py() == 300


def test_details_are_what_the_vendor_says():
    batch = make_batch("qpu.aria-1")
    raw = raw_result_for(batch, [{"0": 1.0}] * 6)
    assert details(raw) == {"engine": "qpu.aria-1"}
    texts = json.loads(raw.content)
    job = json.loads(texts["job"]) | {
        "execution_duration_ms": 1500,
        "output": {"emulator": {"characterization_id": "c-1"}},
    }
    told = details(replace(raw, content=json.dumps(texts | {"job": json.dumps(job)}).encode()))
    assert told == {"engine": "qpu.aria-1", "calibration_id": "c-1", "device_seconds": 1.5}
    with pytest.raises(CorruptResult):
        details(replace(raw, content=b"{"))
