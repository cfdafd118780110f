"""Compiled circuits kept: in memory for one process, on disk for the next one.

Compiling for a device costs up to a second; binding numbers to a compiled template costs a fraction of a millisecond.
So a template is compiled once for a backend, its calibration, a level and a seed, whatever is bound to it later.

A file holds a hash of everything that follows it. QPY is the form of circuits here and nowhere else: its bytes differ
from process to process, so it never decides an identity, and what is damaged is simply compiled again. So is what could not be kept, in a
folder that may only be read.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.canonical import canonical_json, content_hash, sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled, Template
from qhybrid_pipelines.core.system.files import NOT_WRITABLE, remove_leftovers, write_bytes

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: What adapters compile with unless they are told otherwise. The search for a good placement is worth its fraction of a
#: second: it is paid once, and every gate less is an error less.
LEVEL = 3
SEED = 7

SUFFIX = ".compiled"
#: Circuits kept in memory; a compiled circuit takes some hundred kilobytes.
MEMORY_ENTRIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshlyCompiled:
    """A freshly compiled circuit and its figures.

    Attributes:
        native: a qiskit circuit, or bytes in a form of the adapter's own.
        compiled_sha256: hash of a text or bytes that are the same in every process; never of QPY.
    """

    native: QuantumCircuit | bytes
    compiled_sha256: str
    depth: int
    two_qubit_gates: int


def with_circuit_figures(circuit: QuantumCircuit) -> FreshlyCompiled:
    """Return a compiled circuit with its figures, named by the hash of its OpenQASM 3 text."""
    from qiskit.qasm3 import dumps

    return FreshlyCompiled(
        native=circuit,
        compiled_sha256=sha256_hex(dumps(circuit)),
        depth=circuit.depth(lambda instruction: instruction.operation.name != "measure"),
        two_qubit_gates=two_qubit_gates(circuit),
    )


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    """Return how many gates of a circuit act on two qubits."""
    return sum(instruction.operation.num_qubits == 2 and instruction.name != "barrier" for instruction in circuit.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """How often a cache helped since it was opened in this process.

    Attributes:
        memory_hits: found in memory.
        disk_hits: found on disk.
        misses: compiled.
        damaged: of the misses, files that were there and not what had been written.
    """

    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    damaged: int = 0


class CompileCache:
    """Compiled templates by what decides them; safe for threads, several processes and being killed at any moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        remove_leftovers(folder)
        self._memory: OrderedDict[str, Compiled] = OrderedDict()
        self._lock = threading.Lock()
        self._use = dict.fromkeys(("memory_hits", "disk_hits", "misses", "damaged"), 0)

    @property
    def statistics(self) -> CacheStatistics:
        """Hits and misses so far."""
        return CacheStatistics(**self._use)

    def get_or_compile(
        self,
        template: Template,
        *,
        backend: str,
        target_digest: str,
        level: int,
        seed: int,
        versions: Mapping[str, str],
        compile_now: Callable[[], FreshlyCompiled],
    ) -> Compiled:
        """Return a template compiled for a backend, from memory, from disk, or by compiling it now.

        ``compile_seconds`` of the answer is what compiling took when it was done, also when it is found.

        Args:
            template: its id decides.
            backend: full name.
            target_digest: hash of what the compiler is told about the device: gates, couplings, calibration.
            level: of optimisation.
            seed: of the compiler's search.
            versions: of the packages that compile.
            compile_now: compiles; called at most once.
        """
        key = content_hash(
            {
                "template": template.template_id,
                "backend": backend,
                "target": target_digest,
                "level": level,
                "seed": seed,
                "versions": dict(versions),
            }
        )
        # One thread compiles, the others find it: a second compilation would cost more than waiting for the first.
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
                self._use["memory_hits"] += 1
                return found
            found = self._read(key, template)
            if found is not None:
                self._use["disk_hits"] += 1
            else:
                self._use["misses"] += 1
                begin = time.perf_counter()
                made = compile_now()
                found = Compiled(
                    template_id=template.template_id,
                    compiled_sha256=made.compiled_sha256,
                    depth=made.depth,
                    two_qubit_gates=made.two_qubit_gates,
                    compile_seconds=time.perf_counter() - begin,
                    native=made.native,
                )
                self._write(key, found)
            self._memory[key] = found
            while len(self._memory) > MEMORY_ENTRIES:
                self._memory.popitem(last=False)
            return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _read(self, key: str, template: Template) -> Compiled | None:
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        digest, _, rest = content.partition(b"\n")
        if digest != sha256_hex(rest).encode():
            self._use["damaged"] += 1
            return None
        head, _, native = rest.partition(b"\n")
        facts = json.loads(head)
        if facts.pop("key") != key:  # a file under another one's name
            self._use["damaged"] += 1
            return None
        form = facts.pop("form")
        return Compiled(template_id=template.template_id, native=_circuit(native) if form == "qpy" else native, **facts)

    def _write(self, key: str, get_or_compile: Compiled) -> None:
        is_bytes = isinstance(get_or_compile.native, bytes)
        head = canonical_json(
            {
                "key": key,
                "form": "bytes" if is_bytes else "qpy",
                "compiled_sha256": get_or_compile.compiled_sha256,
                "depth": get_or_compile.depth,
                "two_qubit_gates": get_or_compile.two_qubit_gates,
                "compile_seconds": get_or_compile.compile_seconds,
            }
        )
        rest = head.encode() + b"\n" + (get_or_compile.native if is_bytes else _to_qpy(get_or_compile.native))
        # Not durable: what a power cut takes away is found out by its hash and compiled again.
        try:
            write_bytes(self._path(key), sha256_hex(rest).encode() + b"\n" + rest, durable=False)
        except OSError as error:
            # Whoever may only read the home, as to estimate, has use of the circuit and needs no copy of it.
            if error.errno not in NOT_WRITABLE:
                raise


def _to_qpy(circuit: QuantumCircuit) -> bytes:
    from qiskit import qpy

    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


def _circuit(content: bytes) -> Any:
    from qiskit import qpy

    [circuit] = qpy.load(io.BytesIO(content))
    return circuit
