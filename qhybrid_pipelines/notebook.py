"""Experiments from Python: the same ones as those of a specification, under the same key, for notebooks and scripts.

    import qhybrid_pipelines as qh

    experiment = qh.Experiment(name="petersen", problem={"family": "maxcut", "source": "networkx:petersen"})
    experiment.run()
    experiment.verdict

What is here is `Experiment`, `load` and `results`; ``qhybrid_pipelines`` offers them. Nothing heavy is imported before it is needed.
Examples run as tests.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed
from qhybrid_pipelines.core.specifications.named_files import with_absolute_paths
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.notebook_files import edges_as_csv, feature_inputs, openqasm
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import pyarrow as pa
    from qiskit import QuantumCircuit

    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.reports.pictures import Pictures


class Experiment:
    """One experiment of a home: described, registered when it is first needed, run here or left to the daemon.

    Args:
        problem: as in a specification: a mapping with ``family``, ``source`` and so on.
        name: readable, the first part of the key.
        graph: instead of ``problem["source"]``, a NetworkX graph; edge weights are its attribute ``weight``.
        circuit: instead of ``problem["circuit"]``, a Qiskit circuit, a PennyLane QNode, or a function that calls PennyLane's gates
            or returns a Qiskit circuit. Free parameters, and the arguments of a function, are the angles of the sweep. With
            ``graph``, qubit i is the i-th of ``graph.nodes``, and a wire that has a node's name is that node. With ``kind="qml"`` it
            is the model that is trained, and ``data`` says which angles are features.
        angles: how many angles an argument of ``circuit`` holds that is an array, for example ``{"gammas": 2}``.
        data: with ``kind="qml"``, the arguments of ``circuit``, or free parameters, that are features; the others are weights.
        home: folder of all state; else QHYBRID_HOME, else ``./data``.
        fields: every other field of a specification, such as ``shots=1024`` or ``backends=["ionq:simulator"]``.

    Paths are looked up in the working folder. Everything is checked at once.

    Raises:
        InvalidInput: a field is wrong; names it, and the remedy.

    Examples:
        >>> experiment = Experiment(name="petersen", problem={"family": "maxcut", "source": "networkx:petersen"}, shots=64)
        >>> experiment.specification["shots"]
        64

        A function of several angles is a circuit, as a QNode is:

        >>> import networkx as nx, pennylane as qml
        >>> square = nx.cycle_graph(4)
        >>> def one_layer(gamma, beta):
        ...     for node in square.nodes:
        ...         qml.Hadamard(wires=node)
        ...     for edge in square.edges:
        ...         qml.IsingZZ(gamma, wires=edge)
        ...     for node in square.nodes:
        ...         qml.RX(beta, wires=node)
        >>> own = Experiment({"family": "maxcut"}, name="square", graph=square, circuit=one_layer, reduce={"rules": "none"})
        >>> own.specification["problem"]["circuit_variables"]
        ['0', '1', '2', '3']

        With ``kind="qml"`` the function is trained:

        >>> def uploaded(x, w):
        ...     for wire in range(2):
        ...         qml.RY(x[wire] + w[wire], wires=wire)
        ...     qml.CNOT(wires=[0, 1])
        ...     qml.RX(w[2], wires=1)
        >>> trained = Experiment(
        ...     name="wine", kind="qml", dataset={"source": "sklearn:wine"}, circuit=uploaded, angles={"x": 2, "w": 3}, data=["x"]
        ... )
        >>> trained.specification["circuit"]["data"]
        ['x_0', 'x_1']
    """

    def __init__(
        self,
        problem: Mapping[str, Any] | None = None,
        *,
        name: str,
        graph: nx.Graph[Any] | None = None,
        circuit: QuantumCircuit | Callable[..., Any] | None = None,
        angles: Mapping[str, int] | None = None,
        data: Sequence[str] | None = None,
        home: str | Path | None = None,
        **fields: Any,
    ) -> None:
        given: dict[str, Any] = {"name": name, **fields}
        if problem is not None:
            given["problem"] = dict(problem)
        self._open(given, home)
        if graph is not None:
            self._put_file("source", f"{name}.csv", edges_as_csv(graph), format="csv_edges")
        if data is not None and (circuit is None or fields.get("kind") != "qml"):
            raise InvalidInput(
                "data says which angles of a trained circuit are features, and no circuit is trained here",
                remedy='Leave data out, or give the circuit with kind="qml".',
                field="data",
            )
        if circuit is not None:
            text, variables = openqasm(circuit, graph, angles)
            if fields.get("kind") == "qml":
                names = feature_inputs(data or (), angles or {})
                self._put_file("file", f"{name}.qasm", text, section="circuit", data=names)
            else:
                self._put_file("circuit", f"{name}.qasm", text)
                if variables:
                    self._data["problem"].setdefault("circuit_variables", variables)
        self._check()

    def _open(self, data: dict[str, Any], home: str | Path | None) -> None:
        self._home = Home(Settings.from_environment(home).home)
        self._data = with_absolute_paths(data, Path())

    @classmethod
    def from_yaml(cls, text_or_path: str | Path, *, home: str | Path | None = None) -> Self:
        """Return the experiment of a specification: its text, or a file.

        Raises:
            InvalidInput: it is wrong; names line and field.

        Examples:
            >>> Experiment.from_yaml("{name: petersen, problem: {family: maxcut, source: 'networkx:petersen'}}")
            Experiment('petersen')
        """
        is_text = isinstance(text_or_path, str) and ("\n" in text_or_path or ":" in text_or_path)
        path = Path("specification.yaml") if is_text else Path(text_or_path)
        from qhybrid_pipelines.control.experiments.registration import read_text
        from qhybrid_pipelines.core.specifications.specification_text import read_experiment, read_mapping

        text = str(text_or_path) if is_text else read_text(path)
        read_experiment(text, file=path.name)
        made = cls.__new__(cls)
        made._open(read_mapping(text, file=path.name)[0], home)  # noqa: SLF001  it is one of us
        return made

    @property
    def specification(self) -> dict[str, Any]:
        """What was asked for, as in a file; what it leaves out has its default."""
        return self._data

    def to_yaml(self) -> str:
        """Return the specification as a file would say it: registered from there, it has the same key.

        Examples:
            >>> experiment = Experiment({"family": "maxcut", "source": "networkx:petersen"}, name="petersen", seed=3)
            >>> print(experiment.to_yaml())
            name: petersen
            seed: 3
            problem:
              family: maxcut
              source: networkx:petersen
            <BLANKLINE>
            >>> Experiment.from_yaml(experiment.to_yaml()).key == experiment.key
            True
        """
        return yaml.safe_dump(self._data, sort_keys=False)

    @cached_property
    def key(self) -> str:
        """The key under which it is registered, which asking for it does.

        Raises:
            InvalidInput: the problem's file is missing or wrong.
        """
        return self._launcher.workspace.registration.register_text(
            self.to_yaml(), file=f"{self._data['name']}.yaml", folder=Path.cwd()
        ).key

    def estimate(self) -> pd.DataFrame:
        """Return what it would take and cost on each backend; nothing is registered or sent."""
        import pandas as pd

        from qhybrid_pipelines.core.system.files import scratch_folder
        from qhybrid_pipelines.steps.on_demand.estimates import estimates

        workspace = self._launcher.workspace
        control_plane = workspace.control_plane
        with scratch_folder(self._home.tmp) as folder:
            path = folder / f"{self._data['name']}.yaml"
            path.write_text(self.to_yaml())
            preview = estimates(
                [path],
                control_plane.dispatcher,
                workspace.lake,
                backends=control_plane.backends,
                tmp=self._home.tmp,
                key_of=workspace.key_of,
            )
        return pd.DataFrame(preview.rows)

    def submit(self) -> Self:
        """Prepare it and leave its jobs with their providers; the daemon, or :meth:`wait`, collects what comes back.

        Raises:
            JobFailed: a stage failed; says which, and why.
        """
        return self._run(wait=False)

    def wait(self) -> Self:
        """Stay until every verdict is there. Raises as :meth:`submit`."""
        return self._run(wait=True)

    def run(self) -> Self:
        """Run it to its verdicts, next rounds included. What ran before does not run again. Raises as :meth:`submit`."""
        return self._run(wait=True)

    def _run(self, *, wait: bool) -> Self:
        from qhybrid_pipelines.terminal import progress

        with progress(quiet=False) as display:
            _, failures = self._launcher.run([self.key], display.on_progress, wait=wait, on_message=display.on_message)
        if failures:
            raise JobFailed("; ".join(f"{failure.what}: {failure.message}" for failure in failures))
        return self

    @property
    def verdict(self) -> pd.DataFrame:
        """One row per backend that is decided, next rounds below the first."""
        import pandas as pd

        from qhybrid_pipelines.steps.on_demand.summary import verdicts

        workspace = self._launcher.workspace
        return pd.DataFrame(
            verdicts(self._launcher.with_next_rounds([self.key]), workspace.lake, workspace.specifications)
        )

    @property
    def answer(self) -> pd.DataFrame:
        """The current answer, one row per backend and variable. Raises `MissingUpstream` before there is one."""
        import pandas as pd

        from qhybrid_pipelines.steps.on_demand.answers import named_answers

        workspace = self._launcher.workspace
        answers = named_answers(self.key, workspace.specifications, workspace.lake)
        return pd.DataFrame([row for answer in answers for row in answer.rows()])

    @property
    def counts(self) -> pa.Table:
        """What was measured: one row per backend, point, repetition and outcome; bit 0 of ``bits`` is variable 0."""
        import pyarrow as pa

        from qhybrid_pipelines.storage import schemas
        from qhybrid_pipelines.storage.lake import PartitionKey

        lake = self._launcher.workspace.lake
        keys = (PartitionKey(experiment=self.key, backend=backend) for backend in self._backends)
        tables = [lake.read(schemas.QPU_RESULT_SETS, key) for key in keys if lake.exists(schemas.QPU_RESULT_SETS, key)]
        return pa.concat_tables(tables) if tables else schemas.QPU_RESULT_SETS.schema.empty_table()

    @property
    def figures(self) -> Pictures:
        """The figures of its report by name, as far as there are results; Jupyter shows them.

        ``figures["solver-results"]`` is one, with ``svg``, ``png`` and ``save(path)``.
        """
        from qhybrid_pipelines.reports.page import chapters
        from qhybrid_pipelines.reports.pictures import Pictures
        from qhybrid_pipelines.steps.on_demand.report import report_content

        workspace = self._launcher.workspace
        content = report_content(
            self.key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home
        )
        return Pictures(chapters([content]))

    @property
    def _backends(self) -> tuple[str, ...]:
        return self._launcher.workspace.specifications.load_any(self.key).backends

    @cached_property
    def _launcher(self) -> Launcher:
        from qhybrid_pipelines.launch import Launcher

        return Launcher(Settings(home=self._home.path))

    def __repr__(self) -> str:
        return f"Experiment({self._data['name']!r})"

    def _repr_html_(self) -> str:
        """Show name and verdicts in a notebook."""
        if "key" not in self.__dict__:
            return f"<p><b>{html.escape(self._data['name'])}</b>, not registered yet</p>"
        rows = self.verdict
        names = ("backend", "round", "verdict", "random_corrected_ratio", "best_quantum", "best_classical", "ratio")
        columns = [name for name in names if name in rows]
        rows = rows.rename(columns={"random_corrected_ratio": "vs_random"})
        columns = ["vs_random" if name == "random_corrected_ratio" else name for name in columns]
        return f"<p><b>{html.escape(self.key)}</b></p>{rows[columns].to_html(index=False) if len(rows) else 'no verdict yet'}"

    def _check(self) -> None:
        from qhybrid_pipelines.core.specifications.specification_text import read_experiment

        read_experiment(self.to_yaml(), file=f"{self._data['name']}.yaml")

    def _put_file(self, field: str, name: str, text: str, *, section: str = "problem", **more: Any) -> None:
        """Keep what was given as an object as a file of the home, and name that file in the specification."""
        part = self._data.setdefault(section, {})
        if field in part:
            raise InvalidInput(
                f"{section}.{field} is given twice",
                remedy="Give the object or the name, not both.",
                field=f"{section}.{field}",
            )
        content = text.encode()
        self._home.make()
        path = self._home.path / "notebook" / sha256_hex(text)[:16] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content, tmp=self._home.tmp)
        part |= {field: str(path), **more}


def load(key: str, *, home: str | Path | None = None) -> Experiment:
    """Return a registered experiment by its key, the beginning of one, or ``latest``.

    Raises:
        InvalidInput: there is none; names those that come close.

    Examples:
        >>> key = Experiment({"family": "maxcut", "source": "networkx:petersen"}, name="kept").key
        >>> load(key).specification["problem"]["source"]
        'networkx:petersen'
        >>> load("kept").key == load("latest").key == key
        True
    """
    from qhybrid_pipelines.commands.common import find_experiment

    made = Experiment.__new__(Experiment)
    made._open({"name": key}, home)  # noqa: SLF001  it is one of us
    workspace = made._launcher.workspace  # noqa: SLF001
    found = find_experiment(workspace, key)
    made._data = workspace.specifications.load_any(found).model_dump(mode="json")  # noqa: SLF001
    made.__dict__["key"] = found
    return made


def results(sql: str, *, home: str | Path | None = None) -> pd.DataFrame:
    """Ask the warehouse; the tables are in the data dictionary.

    Raises:
        InvalidInput: nothing was published yet, or the query is wrong.

    Examples:
        >>> results("SELECT count(*) AS n FROM verdicts")
        Traceback (most recent call last):
        qhybrid_pipelines.core.errors.InvalidInput: ... there is no warehouse yet in ...
    """
    from qhybrid_pipelines.storage.analyst import query

    return query(Home(Settings.from_environment(home).home), sql).to_pandas()
