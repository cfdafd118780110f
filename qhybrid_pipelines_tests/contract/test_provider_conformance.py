"""Every provider passes the contract suite, on every backend it offers here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest
from qhybrid_pipelines.execution.engines.engine import all_engines
from qhybrid_pipelines.execution.providers import chaos, replay
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.execution.recorded_results import record_result
from qhybrid_pipelines.execution.results import encode, read_counts, read_head

ENGINES = ("auto", *(engine.name for engine in all_engines()))


def changed(column: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
    """A forgery with valid digests: one column of the counts is changed."""

    def mutate(content: bytes) -> bytes:
        counts, head = read_counts(content), read_head(content)
        index = counts.schema.get_field_index(column)
        field = counts.schema.field(index)
        values = pa.array(change(counts.column(index).to_numpy().copy()), field.type)
        return encode(counts.set_column(index, field, values), head)

    return mutate


def headed(**facts) -> Callable[[bytes], bytes]:
    return lambda content: encode(read_counts(content), {**read_head(content), **facts})


def flipped_byte(content: bytes) -> bytes:
    # In the values, behind the head: Arrow itself does not notice, the digest does.
    counts = read_counts(content).column("count").to_numpy()[:1].tobytes()
    place = content.rindex(counts)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def first(values: np.ndarray, value) -> np.ndarray:
    values[0] = value
    return values


MUTATIONS = {
    "one count short": changed("count", lambda v: first(v, v[0] - 1)),
    "one count too many": changed("count", lambda v: first(v, v[0] + 1)),
    "an outcome wider than the circuit": changed("bits", lambda v: v | np.uint64(1 << 40)),
    "an unknown point": changed("point", lambda v: v + 1),
    "a negative repetition": changed("repetition", lambda v: v - 1),
    "another job": headed(job="local-0"),
    "another backend": headed(backend="local:other"),
    "another payload": headed(payload_sha256="0" * 64),
    "another width": headed(n_qubits=3),
    "one flipped bit": flipped_byte,
    "no Arrow stream": lambda _: b"{}",
}


@pytest.fixture
def subject(request, tmp_path) -> ProviderUnderTest:
    engine = request.param
    return ProviderUnderTest(
        connect=lambda: LocalProvider(tmp_path / "local"),
        backend=f"local:{engine}",
        shapes={"auto": ("single", "batch", "qaoa"), "diagonal-qaoa": ("qaoa",)}.get(engine, ("single", "batch")),
        mutations=MUTATIONS,
    )


@pytest.mark.parametrize("subject", ENGINES, indirect=True)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_local(check, subject):
    check(subject)


@pytest.mark.parametrize(("device", "width"), [("fake_manila", 5), ("fake_torino", 8)])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_ibm_local_testing(check, device, width, tmp_path):
    check(
        ProviderUnderTest(
            connect=lambda: IbmProvider(tmp_path / "ibm"),
            backend=f"ibm:{device}",
            width=width,
            mutations=MUTATIONS,
            is_noiseless=False,
        )
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_chaos(check, tmp_path):
    def connect():
        (tmp_path / "chaos").mkdir(exist_ok=True)
        (tmp_path / "chaos" / "plan.json").write_text('{"seed": 1, "faults": []}')
        return chaos.wrap(tmp_path / "chaos", {"local": LocalProvider(tmp_path / "local")})

    check(
        ProviderUnderTest(
            connect=connect, backend="chaos:local.auto", shapes=("single", "batch", "qaoa"), mutations=MUTATIONS
        )
    )


class Recording(replay.ReplayProvider):
    """Records on the local simulator what was not recorded yet, so that the suite finds whatever it asks for."""

    def submit(self, batch, token):
        with contextlib.suppress(Rejected):
            local, at_home = self._providers["local"], replace(batch, backend="local:auto")
            ref = local.submit(at_home, f"recorded {token} {batch.payload_sha256}")
            record_result(self._recordings, at_home, local.fetch(ref))
        return super().submit(batch, token)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_replay(check, tmp_path):
    local = LocalProvider(tmp_path / "local")
    subject = ProviderUnderTest(
        connect=lambda: Recording(tmp_path / "replay", {"local": local}),
        backend="replay:local.auto",
        mutations={"a changed recording": lambda content: content.replace(b'"sha256":"', b'"sha256":"0')},
    )
    first = replace(subject.batch(qubit=3), backend="local:auto")
    record_result(tmp_path / "replay" / "recordings", first, local.fetch(local.submit(first, "first")))
    check(subject)
