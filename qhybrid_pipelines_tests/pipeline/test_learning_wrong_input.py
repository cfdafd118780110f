"""Wrong data for a learning experiment: refused by column, line or field before anything is trained, nothing half-written."""

import json

import pytest
import yaml

from qhybrid_pipelines.control.inbox.scan import scan_inbox
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.learning.training.checksummed_json import add_checksum
from qhybrid_pipelines.steps.learning.checkpointed_fit import CheckpointedFit
from qhybrid_pipelines.steps.learning.datasets_and_folds import qml_datasets, qml_folds
from qhybrid_pipelines.steps.learning.training import train
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.values_from_rows import read_experiments, read_learning_experiments
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

GOOD = "height,weight,label\n" + "".join(f"{i % 7}.5,{(3 * i) % 11},{i % 2}\n" for i in range(24))
SPEC = {
    "kind": "qml",
    "name": "mine",
    "dataset": {"source": "mine.csv", "target": "label"},
    "features": {"pca": 2},
    "models": ["variational"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 2, "repeats": 1},
    "tuning": {"trials": 1},
    "training": {"layers": 1, "epochs": 2},
}

#: What is wrong: the file, what differs in the specification, the field (or file) that is named, and words of the message.
CASES = {
    "missing value": (GOOD.replace("3.5,9,1", "3.5,,1"), {}, "mine.csv, line 5", "'weight'"),
    "constant column": (
        "height,label\n" + "".join(f"2,{i % 2}\n" for i in range(24)),
        {"features": {"pca": 1}},
        "dataset.features",
        "'height' holds the same value",
    ),
    "one class": (
        "a,b,label\n" + "".join(f"{i},{i * i},1\n" for i in range(24)),
        {},
        "dataset.target",
        "same label '1'",
    ),
    "fewer rows than folds": (
        "".join(GOOD.splitlines(keepends=True)[:4]),
        {"folds": {"k": 5, "repeats": 1}},
        "folds.k",
        "3 rows",
    ),
    "fewer rows of a class than folds": (GOOD, {"folds": {"k": 13, "repeats": 1}}, "folds.k", "class '0' has 12 rows"),
    "unknown label column": (GOOD, {"dataset": {"source": "mine.csv", "target": "lable"}}, "dataset.target", "'label'"),
    "unknown feature": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "features": ["hight"]}},
        "dataset.features",
        "Did you mean 'height'",
    ),
    "unknown excluded column": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "exclude": ["hight"]}},
        "dataset.exclude",
        "Did you mean 'height'",
    ),
    "unknown group": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "group": "weigth"}},
        "dataset.group",
        "Did you mean 'weight'",
    ),
    "unknown time": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "time": "weigth"}},
        "dataset.time",
        "Did you mean 'weight'",
    ),
    "too few times": (
        GOOD,
        {
            "dataset": {"source": "mine.csv", "target": "label", "time": "height"},
            "features": {"pca": 1},
            "folds": {"k": 5},
        },
        "dataset.time",
        "7 different times",
    ),
    "repeats in the order of time": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "time": "height"}, "folds": {"repeats": 2}},
        "folds.repeats",
        "the same in every repeat",
    ),
    "too few groups": (
        GOOD,
        {
            "dataset": {"source": "mine.csv", "target": "label", "group": "height"},
            "features": {"pca": 1},
            "folds": {"k": 7},
        },
        "dataset.group",
        "7 groups",
    ),
    "label named as a category": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "categorical": ["label"]}},
        "dataset.categorical",
        "the label cannot be named here",
    ),
    "features and what is none": (
        GOOD,
        {"dataset": {"source": "mine.csv", "target": "label", "features": ["height"], "exclude": ["weight"]}},
        "dataset.exclude",
        "not both",
    ),
    "no header": (GOOD.partition("\n")[2], {}, "mine.csv, line 1", "dataset.header: false"),
    "unknown metric": (GOOD, {"evaluation": {"metric": "f2"}}, "evaluation.metric", "f1"),
    "label that is not a number": (GOOD.replace("3.5,9,1", "3.5,9,yes"), {}, "mine.csv, line 5", "'yes'"),
    "feature that is not a number": (GOOD.replace("3.5,9,1", "3.5,nine,1"), {}, "mine.csv, line 5", "'nine'"),
    "more features than qubits": (
        ",".join(f"c{i}" for i in range(17))
        + ",label\n"
        + "".join(",".join(str((i * j) % 19) for j in range(2, 19)) + f",{i % 2}\n" for i in range(24)),
        {"features": {"pca": None}},
        "features.pca",
        "17 qubits",
    ),
    "more components than columns": (GOOD, {"features": {"pca": 3}}, "features.pca", "no 3 principal components"),
    "curve beyond the rows": (GOOD, {"evaluation": {"curve": [20]}}, "evaluation.curve.0", "20 rows"),
    "unknown backend": (GOOD, {"evaluation": {"backends": ["local:nowhere"]}}, "evaluation.backends", "local:nowhere"),
    "too many rows for a kernel": (
        "a,b,label\n" + "".join(f"{i % 97},{i % 89},{i % 2}\n" for i in range(5001)),
        {"models": ["kernel"]},
        "models",
        "5001 rows",
    ),
    "kernel without exact": (
        GOOD,
        {"models": ["kernel"], "evaluation": {"shots": [100]}},
        "evaluation.shots",
        "exactly only",
    ),
    "unknown data set": (GOOD, {"dataset": {"source": "sklearn:irises"}}, "dataset.source", "sklearn:iris"),
    "no such file": (GOOD, {"dataset": {"source": "gone.csv", "target": "label"}}, "dataset.source", "gone.csv"),
    "iterations without a backend": (
        GOOD,
        {"training": {"layers": 1, "iterations": 5}},
        "training.iterations",
        "add training.backend",
    ),
    "unknown backend of training": (
        GOOD,
        {"training": {"backend": "local:nowhere"}},
        "evaluation.backends",
        "local:nowhere",
    ),
    "trained where nothing is measured": (
        GOOD,
        {"training": {"backend": "local:auto"}, "evaluation": {"backends": ["ibm:fake_manila"]}},
        "training.backend",
        "among evaluation.backends",
    ),
    "nothing to train on a backend": (
        GOOD,
        {"training": {"backend": "local:auto"}, "models": ["kernel"], "evaluation": {"shots": [None]}},
        "training.backend",
        "name a variational model",
    ),
    "a curve on a backend": (
        GOOD,
        {"training": {"backend": "local:auto"}, "evaluation": {"curve": [8]}},
        "evaluation.curve",
        "leave it out",
    ),
    "convergence that is paid for": (
        GOOD,
        {"training": {"backend": "local:auto", "must_converge": True}},
        "training.must_converge",
        "how many iterations",
    ),
    "unknown optimiser of training": (
        GOOD,
        {"training": {"backend": "local:auto", "optimiser": "adams"}},
        "training.optimiser",
        "adam",
    ),
    "a model without its circuit": (GOOD, {"models": ["own_circuit"]}, "circuit", "add circuit: with file and data"),
    "a circuit that no model trains": (
        GOOD,
        {"circuit": {"file": "mine.qasm", "data": ["x"]}},
        "models",
        "add own_circuit",
    ),
    "a circuit for more features": (
        GOOD,
        {"models": ["own_circuit"], "circuit": {"file": "mine.qasm", "data": ["x", "y", "z"]}, "features": {}},
        "circuit.data",
        "names 3 inputs, and there are 2 columns",
    ),
    "a circuit for fewer features": (
        GOOD,
        {"models": ["own_circuit"], "circuit": {"file": "mine.qasm", "data": ["x"]}},
        "circuit.data",
        "use features.pca: 1",
    ),
    "a circuit that is not there": (
        GOOD,
        {"models": ["own_circuit"], "circuit": {"file": "mine.qasm", "data": ["x", "y"]}},
        "circuit.file",
        "mine.qasm",
    ),
    "features of a circuit misspelt": (
        GOOD,
        {"models": ["own_circuit"], "circuit": {"file": "mine.qasm", "dta": ["x", "y"]}},
        "circuit.dta",
        "Did you mean data?",
    ),
    "unknown encoding": (
        GOOD,
        {"features": {"pca": 2, "encoding": "amplitud"}},
        "features.encoding",
        "Did you mean amplitude?",
    ),
    "a row without amplitudes": (
        GOOD,
        {"features": {"pca": 2, "encoding": "amplitude"}},
        "features.encoding",
        "row 9 of mine.csv",
    ),
    "an encoding for a circuit that has its own": (
        GOOD,
        {
            "models": ["own_circuit"],
            "circuit": {"file": "mine.qasm", "data": ["x", "y"]},
            "features": {"pca": 2, "encoding": "iqp"},
        },
        "features.encoding",
        "leave the encoding out",
    ),
    "unknown kind": (GOOD, {"kind": "magic"}, "kind", "magic"),
}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Home(tmp_path / "home").make())


def written(folder, content, changes):
    (folder / "mine.csv").write_text(content, encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**SPEC, **changes}), encoding="utf-8")
    return path


def kept(home):
    return [path.name for path in home.path.rglob("*") if path.is_file() and not path.is_relative_to(home.locks)]


@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_place_and_remedy_and_nothing_is_kept(case, workspace, tmp_path):
    content, changes, place, words = CASES[case]
    with pytest.raises(InvalidInput) as refused:
        workspace.registration.register_file(written(tmp_path, content, changes))
    assert place in str(refused.value)
    assert words in str(refused.value)
    assert refused.value.remedy
    assert kept(workspace.home) == []


def test_a_wrong_data_file_goes_to_quarantine_together_with_its_specification(workspace, tmp_path):
    inbox, quarantine = workspace.home.inbox, workspace.home.quarantine
    written(inbox, GOOD.replace("3.5,9,1", "3.5,,1"), {})
    found = scan_inbox(inbox, quarantine, workspace.registration, now=4e9)
    assert sorted(file.name for file in found.quarantined) == ["mine.csv", "mine.yaml"]
    reason = json.loads((quarantine / "mine.yaml.error.json").read_text())
    assert (reason["file"], reason["line"]) == ("mine.csv", 5)


def test_a_data_file_beside_its_specification_is_taken_in_with_it(workspace):
    written(workspace.home.inbox, GOOD, {})
    found = scan_inbox(workspace.home.inbox, workspace.home.quarantine, workspace.registration, now=4e9)
    [registered] = found.registered
    assert registered.specification.dataset.source.file == "mine.csv"
    assert [*workspace.home.inbox.glob("*.*")] == []


def trained(workspace, path):
    key = workspace.registration.register_file(path).key
    asked = experiments([key], workspace.specifications)
    cards = qml_datasets(asked, workspace.specifications)
    folds = qml_folds(asked, cards, workspace.specifications)
    return key, lambda: train(
        asked,
        cards,
        folds,
        specifications=workspace.specifications,
        home=workspace.home,
        report=lambda _: None,
    )


def test_a_learning_rate_that_diverges_is_named_and_no_table_is_written(workspace, tmp_path):
    noise = "a,b,label\n" + "".join(f"{(i * 37) % 23},{(i * 53) % 29},{(i * i) % 3 % 2}\n" for i in range(40))
    wild = {"training": {"layers": 1, "epochs": 200, "learning_rate": 1.0, "batch_size": 1}}
    _, run = trained(workspace, written(tmp_path, noise, wild))
    with pytest.raises(InvalidInput) as refused:
        run()
    assert refused.value.field == "training.learning_rate"
    assert "diverged" in str(refused.value)
    assert list(workspace.home.lake.rglob("*.parquet")) == []


def test_a_training_that_had_to_converge_names_epochs_that_the_specification_has(workspace, tmp_path):
    short = {"training": {"layers": 1, "epochs": 2, "window": 10, "must_converge": True}}
    _, run = trained(workspace, written(tmp_path, GOOD, short))
    with pytest.raises(InvalidInput) as refused:
        run()
    assert refused.value.field == "training.epochs"
    assert "now 2; try 54" in refused.value.remedy  # 2 windows of 10 steps of 32 rows, of which 12 are there
    assert "max_iterations" not in str(refused.value)


def test_a_drawn_trial_that_does_not_converge_loses_and_does_not_end_the_experiment(workspace, tmp_path, monkeypatch):
    slow = {"tuning": {"trials": 3}, "training": {"layers": 1, "epochs": 2, "must_converge": True}}
    _, run = trained(workspace, written(tmp_path, GOOD, slow))
    plain = CheckpointedFit._train

    def train_all_but_the_second(self, estimator, features, labels, place):
        # All others do not have to converge, so that only one trial fails.
        estimator.set_params(must_converge=place.trial == 1)
        return plain(self, estimator, features, labels, place)

    monkeypatch.setattr(CheckpointedFit, "_train", train_all_but_the_second)
    runs = run()[0].to_pylist()
    tried = [json.loads(row["trial_scores"]) for row in runs if row["model"] == "variational"]
    assert [[trial["score"] is None for trial in trials] for trials in tried] == [[False, True, False]] * 2


def test_a_checkpoint_of_another_experiment_is_refused(workspace, tmp_path):
    mine, run = trained(workspace, written(tmp_path, GOOD, {}))
    other, run_other = trained(workspace, written(tmp_path, GOOD, {"seed": 8}))
    run()
    (workspace.home.checkpoints / mine).rename(workspace.home.checkpoints / other)
    with pytest.raises(InvalidInput) as refused:
        run_other()
    assert refused.value.field == "checkpoint"
    assert "other data" in str(refused.value)
    [path] = {path for path in (workspace.home.checkpoints / other).iterdir() if str(path) in str(refused.value)}
    assert refused.value.file == str(path)
    assert f"Delete {path}" in refused.value.remedy


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[]", add_checksum({"format": 1}), add_checksum({"history": 3})]
)
def test_a_damaged_checkpoint_is_named_with_its_path(content, workspace, tmp_path):
    key, run = trained(workspace, written(tmp_path, GOOD, {}))
    path = workspace.home.checkpoints / key / "variational-0-0-final-12.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(CorruptFile) as refused:
        run()
    assert refused.value.file == str(path)
    assert f"Delete {path}" in refused.value.remedy
    path.unlink()
    run()


def test_training_again_from_checkpoints_gives_the_same_tables_and_trains_nothing_again(workspace, tmp_path):
    key, run = trained(workspace, written(tmp_path, GOOD, {}))
    runs, steps, said = run()
    kept_states = {path.name: path.read_bytes() for path in (workspace.home.checkpoints / key).iterdir()}
    assert len(kept_states) == 4  # two circuits, two folds
    again = run()
    assert again[2] == said
    assert again[0].drop_columns(["fit_seconds", "tuning_seconds"]) == runs.drop_columns(
        ["fit_seconds", "tuning_seconds"]
    )
    assert again[1] == steps  # seconds too: every step comes from the checkpoint
    assert {path.name: path.read_bytes() for path in (workspace.home.checkpoints / key).iterdir()} == kept_states


def test_stages_of_the_other_kind_say_so(workspace, tmp_path):
    learning = workspace.registration.register_file(written(tmp_path, GOOD, {})).key
    text = "name: cut\nproblem: {family: maxcut, source: 'networkx:house'}\n"
    cut = workspace.registration.register_text(text, file="cut.yaml", folder=tmp_path).key
    table = experiments([learning, cut], workspace.specifications)
    for read, words in ((read_experiments, "learning experiment"), (read_learning_experiments, "not of kind qml")):
        with pytest.raises(InvalidInput, match=words):
            list(read(table))
    with pytest.raises(InvalidInput, match="learning experiment"):
        workspace.specifications.load(learning)
