"""Compiled circuits are compiled once, whoever asks, and a damaged file is never used."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.execution import compile_cache
from qhybrid_pipelines.execution.compile_cache import (
    CacheStatistics,
    CompileCache,
    FreshlyCompiled,
    with_circuit_figures,
)

TEMPLATE = Template(text="OPENQASM 3.0;", parameters=("angle",), n_qubits=2)


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(2, 2)
    made.rx(Parameter("angle"), 0)
    made.cx(0, 1)
    made.measure([0, 1], [0, 1])
    return made


def ask(cache, *, template=TEMPLATE, compile_now=lambda: with_circuit_figures(circuit()), **changes):
    question = {"backend": "x:y", "target_digest": "t", "level": 1, "seed": 7, "versions": {"qiskit": "2"}}
    return cache.get_or_compile(template, **(question | changes), compile_now=compile_now)


def refuse():
    raise AssertionError("compiled again")


def test_memory_then_disk_then_compiler(tmp_path):
    cache = CompileCache(tmp_path)
    first = ask(cache)
    assert (first.depth, first.two_qubit_gates) == (2, 1)
    assert ask(cache, compile_now=refuse) is first
    assert cache.statistics == CacheStatistics(memory_hits=1, misses=1)
    fresh = CompileCache(tmp_path)
    again = ask(fresh, compile_now=refuse)
    assert again == first  # also the seconds that compiling took; parameters are compared by their identity in QPY
    assert again.native == first.native
    assert fresh.statistics == CacheStatistics(disk_hits=1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_may_only_be_read_keeps_no_copy_and_gives_the_circuit(tmp_path, monkeypatch, number):
    def refuse_to_write(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(compile_cache, "write_bytes", refuse_to_write)
        cache = CompileCache(tmp_path)
        first = ask(cache)
        assert ask(cache, compile_now=refuse) is first
    assert list(tmp_path.iterdir()) == []
    assert ask(CompileCache(tmp_path)).compiled_sha256 == first.compiled_sha256


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def refuse_to_write(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(compile_cache, "write_bytes", refuse_to_write)
    with pytest.raises(OSError, match="No space left"):
        ask(CompileCache(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "x:z"},
        {"target_digest": "after the next calibration"},
        {"level": 2},
        {"seed": 8},
        {"versions": {"qiskit": "3"}},
        {"template": Template(text="OPENQASM 3.1;", parameters=("angle",), n_qubits=2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_decides_a_compilation_is_part_of_its_name(tmp_path, change):
    cache = CompileCache(tmp_path)
    ask(cache)
    ask(cache, **change)
    assert cache.statistics.misses == 2


@pytest.mark.parametrize("size", [0, 1, 40, 100, -1])
def test_a_cut_off_file_is_compiled_again_and_repaired(tmp_path, size):
    ask(CompileCache(tmp_path))
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:size])
    cache = CompileCache(tmp_path)
    ask(cache)
    assert cache.statistics == CacheStatistics(misses=1, damaged=1)
    assert ask(CompileCache(tmp_path), compile_now=refuse).depth == 2


def test_every_flipped_byte_is_noticed(tmp_path):
    ask(CompileCache(tmp_path))
    [file] = tmp_path.iterdir()
    good = file.read_bytes()
    for place in range(0, len(good), 97):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        cache = CompileCache(tmp_path)
        ask(cache)
        assert cache.statistics.damaged == 1, place


def test_a_file_under_another_ones_name_is_not_used(tmp_path):
    ask(CompileCache(tmp_path))
    [one] = tmp_path.iterdir()
    ask(CompileCache(tmp_path), level=2)
    [two] = set(tmp_path.iterdir()) - {one}
    two.write_bytes(one.read_bytes())
    cache = CompileCache(tmp_path)
    ask(cache, level=2)
    assert cache.statistics == CacheStatistics(misses=1, damaged=1)


def test_bytes_of_an_adapters_own_form_are_kept_as_they_are(tmp_path):
    made = FreshlyCompiled(native=b"\x00\nany\nbytes", compiled_sha256="a" * 64, depth=3, two_qubit_gates=4)
    ask(CompileCache(tmp_path), compile_now=lambda: made)
    assert ask(CompileCache(tmp_path), compile_now=refuse).native == made.native


def test_memory_is_bounded_and_the_oldest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(compile_cache, "MEMORY_ENTRIES", 2)
    cache = CompileCache(tmp_path)
    for level in (0, 1, 0, 2, 0, 1):
        ask(cache, level=level)
    assert cache.statistics == CacheStatistics(memory_hits=2, disk_hits=1, misses=3)


def test_threads_compile_once(tmp_path):
    cache = CompileCache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert len({id(found) for found in pool.map(lambda _: ask(cache), range(40))}) == 1
    assert cache.statistics == CacheStatistics(memory_hits=39, misses=1)


PREPARE = """
import pathlib, sys
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
provider = IbmProvider(pathlib.Path(sys.argv[1]))
batch, _ = canary_batch("batch", width=4, qubit=1, backend="ibm:fake_manila")
found = provider.prepare(batch.template, "ibm:fake_manila", level=3, seed=7)
print(found.compiled_sha256, provider.local.cache.statistics.disk_hits)
"""


def test_another_process_finds_what_was_compiled(tmp_path):
    def run():
        return subprocess.check_output([sys.executable, "-c", PREPARE, str(tmp_path)], text=True).split()

    first, second = run(), run()
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("0", "1")


def test_the_highest_level_keeps_the_best_of_its_searches():
    from qhybrid_pipelines.execution.compile_cache import two_qubit_gates
    from qhybrid_pipelines.execution.ibm import compilation
    from qhybrid_pipelines.execution.ibm.fakes import fake_device

    target = fake_device("fake_sherbrooke").target
    ring = [f"cz q[{i}], q[{(i + 3) % 7}];" for i in range(7)]
    text = "\n".join(
        [
            "OPENQASM 3.0;",
            'include "stdgates.inc";',
            "bit[7] c;",
            "qubit[7] q;",
            *ring,
            "barrier q[0], q[1];",
            *ring[::2],
        ]
    )
    alone = []
    for seed in range(7, 7 + compilation.TRIES):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compilation, "TRIES", 1)
            alone.append(two_qubit_gates(compilation.compile_for(text, target, level=3, seed=seed)))
    assert two_qubit_gates(compilation.compile_for(text, target, level=3, seed=7)) == min(alone)
    assert "tries" in compilation.compiler_versions()
