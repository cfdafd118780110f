"""What is judged about a foreign circuit before a parser sees it: size, width, includes, loops, gates written out.

A file of 900 bytes can define a gate by two of the one before, thirty times over; a parser reads that at once, and the
first tool that writes the gates out never ends. So the gates are counted here, through the definitions and loops, and
without writing any of them out. What a language has beyond a circuit that is the same in every shot is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_GATES, MAX_INPUTS
from qhybrid_pipelines.quantum.user_circuits.statements import Statements
from qhybrid_pipelines.quantum.user_circuits.tokens import join_tokens, split_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCircuit:
    """What the tokens of a circuit say.

    Attributes:
        text: the circuit as parsers may see it, without comments.
        version: of OpenQASM, 2 or 3.
        inputs: names of the inputs, in the order of their declarations.
        n_qubits: of all quantum registers together.
        gates: about so many when everything is written out.
    """

    text: str
    version: int
    inputs: tuple[str, ...]
    n_qubits: int
    gates: int


def check_circuit(text: str, *, max_gates: int = MAX_GATES, max_inputs: int = MAX_INPUTS) -> CheckedCircuit:
    """Judge the text of a circuit without parsing it, in time linear in its length.

    Raises:
        InvalidInput: names the line where there is one.
    """
    tokens = split_tokens(text)
    statements = Statements(tokens, max_gates=max_gates, max_inputs=max_inputs)
    statements.read()
    if not statements.qubits:
        raise InvalidInput("the circuit declares no qubits", remedy="Declare a register, for example `qubit[4] q;`.")
    return CheckedCircuit(
        text=join_tokens(tokens),
        version=statements.version,
        inputs=tuple(statements.inputs),
        n_qubits=sum(statements.qubits.values()),
        gates=statements.gates,
    )
