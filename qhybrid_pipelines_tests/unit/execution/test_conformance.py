"""The contract suite notices adapters that break their promises: each liar here breaks one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution import conformance
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.conformance import ProviderUnderTest
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.results import read_counts


class Forgetful(LocalProvider):
    def find(self, backend, token):
        return None


class TwiceSubmitting(LocalProvider):
    calls = 0

    def submit(self, batch, token):
        type(self).calls += 1
        return super().submit(batch, f"{token}-{self.calls}")


class Reversing(LocalProvider):
    def decode(self, raw, batch):
        counts = super().decode(raw, batch)
        width = batch.template.n_qubits
        bits = [int(f"{word:0{width}b}"[::-1], 2) for word in counts.column("bits").to_pylist()]
        return counts.set_column(2, counts.schema.field(2), pa.array(bits, pa.uint64()))


class Permuting(LocalProvider):
    """Gives columns of the bindings to inputs in the order of creation, not of their names."""

    def submit(self, batch, token):
        names = batch.template.parameters
        by_number = sorted(range(len(names)), key=lambda i: (len(names[i]), names[i]))
        return super().submit(replace(batch, bindings=batch.bindings[:, by_number]), token)

    def decode(self, raw, batch):
        return read_counts(raw.content)


class Trusting(LocalProvider):
    def decode(self, raw, batch):
        return read_counts(raw.content)


class Flickering(LocalProvider):
    calls = 0

    def poll(self, refs):
        type(self).calls += 1
        seen = super().poll(refs)
        return [replace(s, cost_usd=float(self.calls)) for s in seen]


class Wasteful(LocalProvider):
    """Throws away what it saw when one look fails."""

    def poll(self, refs):
        return [self._snapshot(ref) for ref in refs]


class Revoking(LocalProvider):
    def cancel(self, ref):
        return CancelOutcome.CANCELLED


class Blind(LocalProvider):
    """Never tells that a job is done."""

    def poll(self, refs):
        return [replace(s, state=JobState.RUNNING) for s in super().poll(refs)]


class Inventive(LocalProvider):
    def fetch(self, ref: JobRef):
        known = next(self._store.folder.glob("*.arrow"))
        return replace(super().fetch(replace(ref, provider_job_id=known.stem)), ref=ref)


class Chatty(LocalProvider):
    """Asks for every job on its own."""

    abilities = frozenset({Ability.REQUESTS})
    requests = 0

    def poll(self, refs):
        type(self).requests += 2 * len(refs)
        return super().poll(refs)


class Uncounted(LocalProvider):
    abilities = frozenset({Ability.REQUESTS})
    requests = 0


class Boastful(LocalProvider):
    """Declares what it does not have."""

    abilities = frozenset({Ability.MISSING_SETTING})


class Secretive(LocalProvider):
    """Has what it does not declare."""

    def missing_setting(self):
        return None


class Demanding(LocalProvider):
    """Asks for a setting although it works."""

    abilities = frozenset({Ability.MISSING_SETTING})

    def missing_setting(self):
        return "LOCAL_KEY is not set"


class Unlocked(LocalProvider):
    """Takes any key."""

    abilities = frozenset({Ability.CHECK_KEY})

    def check_key(self):
        pass


class Hesitant(LocalProvider):
    """Says that its jobs have to be waited for, which its capabilities deny."""

    abilities = frozenset({Ability.IS_IMMEDIATE})

    def is_immediate(self, backend):
        return not self.capabilities(backend).immediate


class Deaf(LocalProvider):
    """Takes any word for progress."""

    def poll(self, refs):
        return [replace(s, state=JobState.RUNNING, raw_status="transmogrified") for s in super().poll(refs)]


class Rewinding(LocalProvider):
    """Runs every part as if it began at the first point."""

    first = None

    def submit(self, batch, token):
        type(self).first = self.first if self.first is not None else batch
        points = self.first.bindings[: batch.points]
        return super().submit(replace(batch, bindings=points), token)

    def decode(self, raw, batch):
        return read_counts(raw.content)


class Careless(LocalProvider):
    def submit(self, batch, token):
        return super().submit(replace(batch, bindings=np.nan_to_num(batch.bindings)), token)


@pytest.mark.parametrize(
    ("liar", "check"),
    [
        (Forgetful, "check_find"),
        (TwiceSubmitting, "check_token_twice_gives_one_job"),
        (TwiceSubmitting, "check_token_of_another_batch_is_rejected"),
        (Reversing, "check_bit_order"),
        (Permuting, "check_bit_order"),
        (Trusting, "check_wrong_results_are_refused"),
        (Flickering, "check_finished_job_is_stable"),
        (Wasteful, "check_failed_poll_keeps_what_it_saw"),
        (Blind, "check_finished_job_is_stable"),
        (Revoking, "check_cancelling_a_finished_job_is_too_late"),
        (Revoking, "check_cancel_races"),
        (Chatty, "check_requests_per_poll"),
        (Uncounted, "check_requests_are_counted"),
        (Boastful, "check_abilities_are_declared"),
        (Secretive, "check_abilities_are_declared"),
        (Demanding, "check_nothing_is_missing"),
        (Unlocked, "check_keys_are_told_apart"),
        (Hesitant, "check_immediacy_agrees_with_capabilities"),
        (Deaf, "check_unknown_status_is_loud"),
        (Rewinding, "check_parts_make_the_whole"),
        (Inventive, "check_unknown_job_is_not_waited_for"),
        (Careless, "check_malformed_batches_are_rejected"),
    ],
)
def test_a_broken_promise_is_noticed(liar, check, tmp_path):
    subject = ProviderUnderTest(
        connect=lambda: liar(tmp_path / "local"),
        backend="local:aer-exact",
        with_status_word=(lambda word: liar(tmp_path / "local")) if liar is Deaf else None,
        with_wrong_key=lambda: liar(tmp_path / "local"),
    )
    honest = replace(subject, connect=lambda: LocalProvider(tmp_path / "honest"), with_status_word=None)
    getattr(conformance, check)(honest)
    if liar is Inventive:
        LocalProvider(tmp_path / "local").submit(subject.batch(), "some token")
    with pytest.raises(AssertionError):
        getattr(conformance, check)(subject)
