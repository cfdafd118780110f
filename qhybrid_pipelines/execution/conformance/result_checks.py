"""Checks of what a provider says and returns: abilities, prices, compiled circuits, counts and their bit order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.conformance.provider_under_test import (
    ProviderUnderTest,
    assert_raises,
    fetch_when_completed,
    run,
    run_parts,
)
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA


def check_capabilities(subject: ProviderUnderTest) -> None:
    """The backend is listed under its provider's name and says what it can do; others are rejected."""
    provider = subject.connect()
    assert subject.backend in provider.backends()
    assert all(backend.startswith(f"{provider.name}:") for backend in provider.backends())
    capabilities = provider.capabilities(subject.backend)
    assert capabilities.backend == subject.backend
    assert capabilities.plane == subject.plane
    assert min(capabilities.max_qubits, capabilities.max_shots, capabilities.max_circuits_per_job) >= 1
    assert JobState.COMPLETED in capabilities.states
    assert provider.status(subject.backend).online
    for name, stated in subject.limits.items():
        assert getattr(capabilities, name) == stated, f"{name} is {getattr(capabilities, name)}, stated is {stated}"
    calibration = provider.calibration(subject.backend)
    if (
        calibration is not None and calibration.measured_at is not None and capabilities.mode != "emulator"
    ):  # an emulated clock runs ahead of ours
        assert calibration.measured_at <= calibration.fetched_at
    assert_raises(Rejected, provider.capabilities, f"{provider.name}:no-such-backend")


def check_estimate(subject: ProviderUnderTest) -> None:
    """A price is a range with its assumptions and source, known before submission."""
    estimate = subject.connect().estimate(subject.batch())
    assert 0 <= estimate.low_usd <= estimate.high_usd < np.inf
    assert estimate.assumptions
    assert estimate.source


def check_prepare(subject: ProviderUnderTest) -> None:
    """Compiling names what was compiled, and the same request gives the same circuit; embedding gives the same chains."""
    provider, batch = subject.connect(), subject.batch()
    if isinstance(batch, AnnealBatch):
        able = with_ability(provider, Ability.EMBED)
        assert able is not None, "an annealer embeds models"
        found = [able.embed(batch.model, subject.backend, seed=7) for _ in range(2)]
        assert found[0] == found[1] == batch.embedding
        assert found[0].graph_id == provider.capabilities(subject.backend).graph_id
        return
    if isinstance(batch, HybridBatch):  # a model goes as it is
        return
    template = batch.template
    compiled = [provider.prepare(template, subject.backend, level=1, seed=7) for _ in range(2)]
    assert compiled[0].template_id == template.template_id
    assert compiled[0].compiled_sha256 == compiled[1].compiled_sha256
    assert compiled[0].depth >= 1
    assert compiled[0].compile_seconds >= 0


def check_counts_answer_the_batch(subject: ProviderUnderTest) -> None:
    """Counts are in the agreed columns and order, and sum to the shots of every point and repetition."""
    provider, batch = subject.connect(), subject.batch(subject.shapes[-1])
    counts = run(subject, provider, batch, "token-counts")
    assert counts.schema.equals(COUNTS_SCHEMA)
    order = [("point", "ascending"), ("repetition", "ascending"), ("bits", "ascending")]
    assert counts.equals(counts.sort_by(order))
    sums = counts.group_by(["point", "repetition"]).aggregate([("count", "sum")])
    assert sums.num_rows == batch.points * batch.repetitions
    assert set(sums.column("count_sum").to_pylist()) == {batch.shots}


def check_bit_order(subject: ProviderUnderTest) -> None:
    """One known qubit is 1 and is at its own bit, on the single and on the batch path, at real width."""
    provider = subject.connect()
    for shape in subject.shapes:
        for qubit in sorted({0, 1, subject.width - 1}):
            batch, outcomes = subject.canary(shape, qubit=qubit)
            counts = run_parts(subject, provider, batch, f"token-canary-{shape}-{qubit}")
            for point, expected in enumerate(outcomes):
                rows = counts.filter(pc.equal(counts.column("point"), point)).to_pylist()
                seen = {row["bits"] for row in rows}
                top = max(rows, key=lambda row: row["count"])["bits"]
                assert top == expected, f"{shape}: qubit {qubit} was read as {top:#x}, not {expected:#x}"
                assert seen == {expected} or not subject.is_noiseless, (
                    f"{shape}: outcomes {sorted(seen)} beside {expected}"
                )


def check_same_batch_same_counts(subject: ProviderUnderTest) -> None:
    """On a simulator two jobs with one batch have equal counts; a stored payload says the same whenever it is read.

    That holds for counts and details alike; details are ready for JSON.
    """
    provider, batch = subject.connect(), subject.batch(subject.shapes[-1])
    raw = fetch_when_completed(subject, provider, provider.submit(batch, "token-same-1"))
    counts = provider.decode(raw, batch)
    assert provider.details(raw) == subject.connect().details(raw)
    canonical_json(provider.details(raw))
    assert subject.connect().decode(raw, batch).equals(counts, check_metadata=True)
    if provider.capabilities(subject.backend).simulator:
        assert run(subject, provider, batch, "token-same-2").equals(counts)


def check_wrong_results_are_refused(subject: ProviderUnderTest) -> None:
    """A result of another batch, a cut-off one and every damaged one are refused."""
    provider, batch = subject.connect(), subject.batch()
    raw = fetch_when_completed(subject, provider, provider.submit(batch, "token-wrong"))
    provider.decode(raw, batch)
    other = subject.batch(qubit=2)
    swapped = fetch_when_completed(subject, provider, provider.submit(other, "token-wrong-other"))
    assert_raises(CorruptResult, provider.decode, replace(swapped, ref=raw.ref), batch)
    assert_raises(CorruptResult, provider.decode, raw, other)
    assert_raises(CorruptResult, provider.decode, raw, replace(batch, shots=batch.shots + 1))
    size = len(raw.content)
    for length in (0, size // 2, size - size // 10):
        assert_raises(CorruptResult, provider.decode, replace(raw, content=raw.content[:length]), batch)
    for what, mutate in subject.mutations.items():
        assert_raises(CorruptResult, provider.decode, replace(raw, content=mutate(raw.content)), batch, what=what)


def check_malformed_batches_are_rejected(subject: ProviderUnderTest) -> None:
    """NaN, infinities and numbers of another shape are refused at submission and leave no job."""
    provider = subject.connect()
    can_tell = provider.capabilities(subject.backend).dedupe != "none"
    for index, bad in enumerate(subject.malformed()):
        assert_raises(Rejected, provider.submit, bad, f"token-malformed-{index}")
        assert not can_tell or provider.find(subject.backend, f"token-malformed-{index}") is None
