"""How large a foreign circuit may be, and what a language has that no circuit may use."""

from __future__ import annotations

MAX_BYTES = 1_000_000
#: Gates when every gate that the file defines, every loop and every register is written out. Reading that many back
#: takes about five seconds.
MAX_GATES = 10_000
MAX_INPUTS = 1_000
#: Classical bits of all registers together.
MAX_BITS = 1_024
#: Words of statements that are carried out, every turn of a loop and every gate of a body counted again.
MAX_WORK = 500_000
#: Inputs that one angle may hang on.
MAX_SLOPES = 64
#: Loops within loops.
MAX_LOOPS = 16

#: The only includes: both readers have them built in and open no file for them.
INCLUDES = {2: "qelib1.inc", 3: "stdgates.inc"}

#: Rough number of gates that one control makes of one gate; the exact number is counted when they are written out.
CONTROL_COST = 4

#: Why words are refused.
SHOTS = "a circuit must be the same in every shot"
VARIABLES = "classical variables are not accepted"
TIMING = "a circuit has gates only, no timing"
SUBROUTINES = "subroutines, calibrations and calls of other programs are not accepted"

#: First words of statements that are refused.
REFUSED = {
    **dict.fromkeys(("if", "else", "while", "switch", "break", "continue", "end"), SHOTS),
    **dict.fromkeys(("int", "uint", "float", "angle", "bool", "complex", "array", "mutable", "readonly"), VARIABLES),
    **dict.fromkeys(("delay", "box", "stretch", "duration", "durationof", "nop"), TIMING),
    **dict.fromkeys(("def", "extern", "return", "cal", "defcal", "defcalgrammar"), SUBROUTINES),
    "opaque": "a gate without a body cannot be run",
    "let": "a register has one name only",
    "output": "measured bits are the only output",
    "pragma": "instructions to other tools are not accepted",
    "OPENQASM": "the version is given once, before everything else",
}
REMEDY = "Write gates, `barrier`, `input float` and measurements at the end."
