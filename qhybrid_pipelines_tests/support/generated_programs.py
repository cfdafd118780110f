"""Random OpenQASM programs that redefine, nest, permute and control gates, each made of its seed alone."""

from __future__ import annotations

import random

#: Gates of the libraries by number of angles and qubits, and names that files define for themselves.
LIBRARY = {
    2: {
        (0, 1): ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "id"],
        (1, 1): ["rx", "ry", "rz", "p", "u1"],
        (2, 1): ["u2"],
        (3, 1): ["u3", "u", "U"],
        (0, 2): ["cx", "cz", "cy", "ch", "swap", "csx", "CX"],
        (1, 2): ["crx", "cry", "crz", "cp", "cu1", "rxx", "rzz"],
        (3, 2): ["cu3"],
        (4, 2): ["cu"],
        (0, 3): ["ccx", "cswap"],
        (0, 4): ["c3x", "c3sqrtx"],
    },
    3: {
        (0, 1): ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id"],
        (1, 1): ["rx", "ry", "rz", "p", "u1", "phase"],
        (2, 1): ["u2"],
        (3, 1): ["u3", "U"],
        (0, 2): ["cx", "cz", "cy", "ch", "swap"],
        (1, 2): ["crx", "cry", "crz", "cp", "cphase"],
        (4, 2): ["cu"],
        (0, 3): ["ccx", "cswap"],
    },
}
BORROWED = {
    2: ["swap", "rxx", "rzz", "sx", "p", "cx", "cu", "c3x", "h", "ryy", "iswap", "x", "u3", "ecr"],
    3: ["swap", "rxx", "rzz", "sx", "p", "cx", "cu", "h", "ryy", "iswap", "x", "u3", "ecr", "CX", "rzx", "c3x"],
}
#: pytket mistakes a definition for its own operation of that name where the shape is another one.
SHAPES = {"ecr": (0, 2), "iswap": (1, 2), "ryy": (1, 2)}
#: In no alphabetical order, and of every length.
PARAMETERS = ["zeta", "b", "gamma", "a", "p_10", "p_2", "lambda_", "Theta", "beta", "_c", "t", "p_1", "y", "alpha"]
OWN = ["layer", "cost", "mix", "my_u", "g1", "G", "Rot"]
#: Roots of ``swap`` have no unit of their own, and gates that a file defines are not raised.
RAISED = (
    "x",
    "y",
    "z",
    "h",
    "s",
    "sdg",
    "t",
    "tdg",
    "sx",
    "rx",
    "ry",
    "rz",
    "p",
    "u1",
    "u3",
    "U",
    "cx",
    "cz",
    "ch",
    "crx",
)


class Generator:
    """Writes one program."""

    def __init__(self, seed: int, *, version: int) -> None:
        self.random, self.version = random.Random(f"{version}:{seed}"), version
        self.known: dict[str, tuple[int, int]] = {
            name: shape for shape, names in LIBRARY[version].items() for name in names
        }
        self.defined: set[str] = set()
        self.constants: list[str] = []
        self.inputs: dict[str, float] = {}

    def pick(self, *choices):
        return self.random.choice(choices)

    def number(self) -> str:
        r = self.random
        plain = [f"{r.uniform(-7, 7):.6g}", "pi/2", "-pi/4", "3*pi/4", "0.25", "2", "-(1+0.5)/3", "pi*0.37"]
        plain += ["sin(0.3)", "cos(pi/5)*2"]
        if self.version == 3:
            plain += ["tau/3", "6/3", "arccos(0.3)", "2**3*0.1", "sqrt(2)", f"exp({r.uniform(-1, 1):.4g})", "7 % 4"]
            plain += self.constants
        return r.choice(plain)

    def angle(self, names: list[str]) -> str:
        """Return a number, or a sum of multiples of names."""
        if not names or self.random.random() < 0.35:
            return self.number()
        terms = [
            self.pick("{0}", "2*{0}", "-{0}", "{0}/3", "{0}*0.7", "({0}+0.1)*2", "-(0.5-{0})").format(name)
            for name in self.random.sample(names, self.random.randint(1, min(2, len(names))))
        ]
        return "+".join([*terms, *([f"({self.number()})"] if self.random.random() < 0.3 else [])]).replace("+-", "-")

    def modifiers(self, gate: str, room: int) -> tuple[str, int]:
        """Return modifiers and how many controls they add."""
        words, controls = [], 0
        while self.version == 3 and self.random.random() < 0.35 and len(words) < 3:
            word = self.pick("ctrl", "negctrl", "inv", "inv", "ctrl", "pow")
            if word in ("ctrl", "negctrl"):
                count = self.pick(1, 1, 1, 2)
                if controls + count > room:
                    continue
                controls += count
                words.append(word if count == 1 and self.random.random() < 0.7 else f"{word}({count})")
            elif word == "inv":
                words.append("inv")
            elif gate in RAISED and gate not in self.defined:
                words.append(f"pow({self.pick('2', '0.5', '-1', '3', '-0.5', '1.0/3')})")
        return "".join(f"{word} @ " for word in words), controls

    def call(self, names: list[str], qubits: list[str]) -> str:
        """Return a call of a gate on different qubits."""
        fitting = [name for name, (_, width) in self.known.items() if width <= len(qubits)]
        preferred = [name for name in fitting if name in self.defined]
        gate = self.random.choice(preferred if preferred and self.random.random() < 0.5 else fitting)
        n_angles, width = self.known[gate]
        modifiers, controls = self.modifiers(gate, min(len(qubits) - width, 3))
        # A power of an input has no closed form.
        angles = [self.angle([] if "pow" in modifiers else names) for _ in range(n_angles)]
        given = f"({', '.join(angles)})" if angles else ""
        chosen = self.random.sample(qubits, width + controls)
        return f"{modifiers}{gate}{given} {', '.join(chosen)};"

    def define(self) -> str:
        """Return the definition of a gate under a name of its own or a borrowed one."""
        free = [name for name in (*OWN, *BORROWED[self.version]) if name not in self.defined]
        name = self.random.choice(free)
        n_angles, width = self.known.get(name, (self.pick(0, 1, 2, 3), self.pick(1, 2, 2, 3)))
        if self.version == 2:
            n_angles, width = SHAPES.get(name, (n_angles, width))
        if name in OWN and self.random.random() < 0.2:
            n_angles = 12  # as Qiskit exports composite gates
        parameters = self.random.sample(PARAMETERS, n_angles)
        qubits = self.random.sample(["a", "b", "q", "x", "c1", "d", "e"], width)
        body = [self.call(parameters, qubits) for _ in range(self.random.randint(0, 4))]
        if self.version == 3 and self.random.random() < 0.3:
            body.append(f"gphase({self.angle(parameters)});")
        if self.random.random() < 0.1:
            body.insert(0, f"barrier {qubits[0]};")
        self.known[name] = n_angles, width
        self.defined.add(name)
        given = f"({', '.join(parameters)})" if parameters else ""
        return f"gate {name}{given} {', '.join(qubits)} {{ {' '.join(body)} }}"

    def registers(self) -> tuple[list[str], list[str], list[str]]:
        """Return declarations, single qubits, and whole registers."""
        r = self.random
        if self.version == 3 and r.random() < 0.15:
            first = r.randint(0, 4)
            places = [f"${first + index}" for index in range(r.randint(2, 4))]
            return [], places, []
        sizes = r.choice([[2], [3], [4], [1, 2], [2, 2], [2, 1], [3, 1]])
        names = r.sample(["q", "r", "anc", "b_", "aB"], len(sizes))
        declared, places, whole = [], [], []
        for name, size in zip(names, sizes, strict=True):
            if self.version == 3 and size == 1 and r.random() < 0.5:
                declared.append(f"qubit {name};")
                places.append(name)
                continue
            declared.append(f"qreg {name}[{size}];" if self.version == 2 else f"qubit[{size}] {name};")
            places += [f"{name}[{index}]" for index in range(size)]
            whole.append(name)
        return declared, places, whole

    def measurements(self, places: list[str]) -> list[str]:
        """Return declarations of bits and measurements of some or all qubits into some of them."""
        r = self.random
        if r.random() < 0.3 and not places[0].startswith("$"):
            return []
        chosen = r.sample(places, r.randint(max(1, len(places) - 1), len(places)))
        sizes = r.choice([[len(chosen)], [len(chosen) + 2], [1, len(chosen)], [len(chosen), 2]])
        names = r.sample(["c", "m", "out", "b_b"], len(sizes))
        word = "creg {0}[{1}];" if self.version == 2 else "bit[{1}] {0};"
        declared = [word.format(name, size) for name, size in zip(names, sizes, strict=True)]
        bits = [f"{name}[{index}]" for name, size in zip(names, sizes, strict=True) for index in range(size)]
        kept = r.sample(bits, len(chosen))
        if self.version == 2 or r.random() < 0.2:
            return [*declared, *(f"measure {qubit} -> {bit};" for qubit, bit in zip(chosen, kept, strict=True))]
        return [*declared, *(f"{bit} = measure {qubit};" for qubit, bit in zip(chosen, kept, strict=True))]

    def loop(self, register: str, size: int, names: list[str]) -> str:
        """Return a loop over places of a register."""
        gate = self.random.choice([name for name, shape in self.known.items() if shape == (1, 1)] or ["U"])
        if gate == "U":
            return f"for uint i in [0:{size - 1}] {{ U(0.1*i, i, {self.angle(names)}) {register}[i]; }}"
        choice = self.pick(f"[0:{size - 1}]", f"[{size - 1}:-1:0]", f"{{0, {size - 1}}}", "[0:0]")
        if size > 1 and self.random.random() < 0.4 and (0, 2) in self.known.values():
            pair = self.random.choice([name for name, shape in self.known.items() if shape == (0, 2)])
            return f"for int j in [0:{size - 2}] {{ for int k in [j+1:{size - 1}] {{ {pair} {register}[j], {register}[k]; }} }}"
        body = f"{gate}({self.angle(names)}+0.2*i) {register}[i];"
        return f"for int i in {choice} {{ {body} }}" if self.random.random() < 0.6 else f"for int i in {choice} {body}"

    def program(self) -> str:  # noqa: C901  one case per part of a program
        """Return the text."""
        r, three = self.random, self.version == 3
        head = ["OPENQASM 2.0;", 'include "qelib1.inc";']
        if three:
            head = [*(["OPENQASM 3.0;"] if r.random() < 0.8 else []), 'include "stdgates.inc";']
            for name in r.sample(["w", "half", "N_"], r.randint(0, 2)):
                self.constants.append(name)
                head.append(f"const float {name} = {self.pick('pi/3', '1', '0.25*2', '-tau')};")
            for name in r.sample(["gamma_in", "Beta", "a0"], r.randint(0, 2)):
                self.inputs[name] = r.uniform(-4, 4)
                head.append(f"input float[64] {name};" if r.random() < 0.5 else f"input float {name};")
        definitions = [self.define() for _ in range(r.randint(0, 4))]
        declared, places, whole = self.registers()
        names = list(self.inputs)
        body = [self.call(names, places) for _ in range(r.randint(2, 9))]
        single = [name for name, shape in self.known.items() if shape == (0, 1)]
        for name in whole:
            if r.random() < 0.4 and single:
                body.insert(r.randint(0, len(body)), f"{r.choice(single)} {name};")
            size = sum(place.startswith(f"{name}[") for place in places)
            if three and r.random() < 0.3:
                body.insert(r.randint(0, len(body)), self.loop(name, size, names))
            if three and r.random() < 0.2 and single:
                part = self.pick("0", "-1", "0:1", "{0, 1}", ":", "0:2:1", "1:-1:0") if size > 1 else "0"
                body.insert(r.randint(0, len(body)), f"{r.choice(single)} {name}[{part}];")
        if r.random() < 0.2:
            body.insert(0, f"reset {r.choice(whole or places)};")
        if r.random() < 0.2:
            body.insert(r.randint(0, len(body)), f"barrier {', '.join(whole or places)};")
        if places[0].startswith("$"):
            body.append(f"barrier {', '.join(places)};")  # a block without a gap is what is accepted
        return "\n".join([*head, *definitions, *declared, *body, *self.measurements(places)]) + "\n"


def generate_program(seed: int, *, version: int) -> tuple[str, dict[str, float]]:
    """Return a program and values for its inputs."""
    generator = Generator(seed, version=version)
    return generator.program(), generator.inputs
