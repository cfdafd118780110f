"""What is judged about a foreign circuit before a parser sees it: size, width, includes, loops, gates written out.

Statements are carried out and gates are counted, but none is written out; the work is bounded by the text's length.
What a language has beyond a circuit that is the same in every shot is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.evaluation import Evaluation, Writer
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_GATES, MAX_INPUTS
from qhybrid_pipelines.quantum.user_circuits.notes import read_notes
from qhybrid_pipelines.quantum.user_circuits.syntax import Syntax
from qhybrid_pipelines.quantum.user_circuits.tokens import join_tokens, split_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCircuit:
    """What the statements of a circuit say.

    Attributes:
        text: the circuit as parsers may see it, without comments other than notes.
        version: of OpenQASM, 2 or 3.
        inputs: names of the inputs, in the order of their declarations.
        variables: the qubits whose outcomes count, counted over all registers, in the order of the bits that they are
            measured into; all qubits where nothing is measured.
        ancillas: further qubits on which gates act; their outcomes are summed out.
        places: what the file calls the qubits of ``variables``, such as ``q[0]``.
        names: of the problem's variables that the file's notes give to the qubits of ``variables``; empty without notes.
        warnings: sentences about what may be meant otherwise than it is said.
        gates: about so many when everything is written out.
    """

    text: str
    version: int
    inputs: tuple[str, ...]
    variables: tuple[int, ...]
    ancillas: tuple[int, ...]
    places: tuple[str, ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...]
    gates: int

    @property
    def n_qubits(self) -> int:
        """Width of the circuit that is run: variables and ancillas."""
        return len(self.variables) + len(self.ancillas)


def check_circuit(
    text: str, *, max_gates: int = MAX_GATES, max_inputs: int = MAX_INPUTS, write: Writer | None = None
) -> CheckedCircuit:
    """Judge the text of a circuit, in time bounded by its length and the limits.

    Args:
        text: of the file.
        max_gates: that the circuit may have, roughly counted.
        max_inputs: that it may declare.
        write: gets every gate; see `evaluation`.

    Raises:
        InvalidInput: names the line where there is one.
    """
    tokens = split_tokens(text)
    evaluation = Evaluation(Syntax(tokens), max_gates=max_gates, max_inputs=max_inputs, write=write)
    evaluation.run()
    registers = evaluation.registers
    if not registers.n_qubits:
        raise InvalidInput(
            "the circuit declares no qubits",
            remedy="Declare a register, for example `qubit[4] q;`.",
            line=tokens[-1].line if tokens else 1,
        )
    variables, ancillas = registers.variable_qubits()
    return CheckedCircuit(
        text=join_tokens(tokens),
        version=evaluation.version,
        inputs=tuple(evaluation.inputs),
        variables=variables,
        ancillas=ancillas,
        places=tuple(registers.place(qubit) for qubit in variables),
        names=read_notes([token for token in tokens if token.kind == "note"], registers, variables),
        warnings=tuple(evaluation.warnings),
        gates=evaluation.gates,
    )
