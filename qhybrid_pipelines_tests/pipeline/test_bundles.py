"""One file replays to the same verdict in a fresh home, by the provider's book without a job; a changed file says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.steps.on_demand.summary import verdicts
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.bundle_files import FORMAT, Bundle, read_bundle
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher

pytestmark = [
    RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore:AutoDateLocator was unable:UserWarning"),  # pictures of minutes on virtual time
]

PAGE = """\
name: packed
problem: {family: maxcut, source: ring.mc}
reduce: {rules: none}
backends: ["ionq:qpu.aria-1", "local:auto"]
budget: {usd: 1000}
ansatz: {layers: 1}
sweep: {strategy: fixed_angles, points: 2}
rounds: {max: 1}
shots: 64
repetitions: 2
"""
#: A file of angles is part of an experiment like its problem file.
OWN = "sweep: {strategy: given, file: own.csv}"
ANGLES = "gamma_1,beta_1\n0.4,-0.5\n0.3,-0.4\n"
RING = "6 6\n1 2 1\n2 3 2\n3 4 1\n4 5 3\n5 6 1\n1 6 2.5\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("cloud")
    with running_emulator(folder, key="some-key", speed=5000.0) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture(scope="module")
def packed(cloud: Emulator, tmp_path_factory: pytest.TempPathFactory) -> tuple[Launcher, str, Path]:
    """A home in which the experiment ran, its key, and its bundle."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "ring.mc").write_text(RING)
    (folder / "own.csv").write_text(ANGLES)
    launcher = make_launcher(folder / "home")
    page = PAGE.replace("sweep: {strategy: fixed_angles, points: 2}", OWN)
    key = launcher.workspace.registration.register_text(page, file="packed.yaml", folder=folder).key
    _, failures = launcher.run([key], lambda stage, asset: None)
    assert [failure.message for failure in failures] == []
    file = folder / "packed.qhybrid"
    made = CliRunner().invoke(app, ["bundle", key, "-o", str(file), "--home", str(folder / "home"), "--json"])
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout)
    assert (said["experiment"], said["bytes"], said["answers"]) == (key, file.stat().st_size, 2)
    return launcher, key, file


def book(cloud: Emulator) -> list[str]:
    return [job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]]


def replay(file: Path, home: Path):
    home.mkdir(exist_ok=True)
    return CliRunner().invoke(app, ["bundle", "open", str(file), "--home", str(home), "--json"])


def written(bundle: Bundle, path: Path) -> Path:
    path.write_bytes(bundle.pack())
    return path


def test_a_fresh_home_comes_to_the_same_verdict_and_sends_nothing(cloud, packed, tmp_path) -> None:
    launcher, key, file = packed
    before = book(cloud)
    replayed = replay(file, tmp_path / "fresh")
    assert replayed.exit_code == 0, replayed.output
    said = json.loads(replayed.stdout)
    assert (said["experiment"], said["same"]) == (key, True)
    ours = {row["backend"]: row["replayed"] for row in said["executions"]}
    rows = verdicts([key], launcher.workspace.lake, launcher.workspace.specifications)
    assert ours == {row["backend"]: row["verdict"] for row in rows}
    assert book(cloud) == before
    fresh = Workspace(Home(tmp_path / "fresh"))
    assert fresh.control_plane.ledger.jobs() == []
    assert list(fresh.specifications) == []
    assert list(fresh.home.tmp.iterdir()) == []


def test_packing_again_gives_the_same_bytes(packed, tmp_path) -> None:
    launcher, key, file = packed
    again = tmp_path / "again.qhybrid"
    home = str(launcher.workspace.home.path)
    assert CliRunner().invoke(app, ["bundle", key[:8], "-o", str(again), "--home", home]).exit_code == 0
    assert again.read_bytes() == file.read_bytes()


def test_what_was_changed_on_the_way_is_not_believed(packed, tmp_path) -> None:
    _, _, file = packed
    content = bytearray(file.read_bytes())
    place = content.rindex(b"specification.json", 0, content.index(b"PK\x01\x02")) + 40
    content[place] ^= 1
    broken = tmp_path / "broken.qhybrid"
    broken.write_bytes(content)
    assert isinstance(replay(broken, tmp_path / "home").exception, CorruptFile)
    cut = tmp_path / "cut.qhybrid"
    cut.write_bytes(file.read_bytes()[:-100])
    assert isinstance(replay(cut, tmp_path / "home").exception, InvalidInput)


def test_another_verdict_and_other_counts_are_told(packed, tmp_path) -> None:
    """The negative control: whoever forges a verdict, or an answer with its hash, is found out by the replay."""
    _, _, file = packed
    bundle = read_bundle(file)
    facts = json.loads(json.dumps(bundle.facts))
    facts["executions"][0]["comparison"]["verdict"] = "quantum_better"
    replayed = replay(written(replace(bundle, facts=facts), tmp_path / "forged.qhybrid"), tmp_path / "home")
    assert replayed.exit_code == 3
    assert "comparison.verdict" in json.loads(replayed.stdout)["executions"][0]["differences"]

    facts = json.loads(json.dumps(bundle.facts))
    files = dict(bundle.files)
    [part] = facts["executions"][0]["parts"]
    answered = json.loads(files.pop(f"raw/{part['result_sha256']}"))
    children = json.loads(answered["results"])
    answered["results"] = json.dumps({child: {"0": 1.0} for child in children})  # every shot on one outcome
    answer = json.dumps(answered).encode()
    part["result_sha256"] = sha256_hex(answer)
    files[f"raw/{part['result_sha256']}"] = answer
    replayed = replay(written(Bundle(facts=facts, files=files), tmp_path / "answer.qhybrid"), tmp_path / "home")
    assert replayed.exit_code == 3
    said = json.loads(replayed.stdout)
    assert said["same"] is False
    assert [bool(execution["differences"]) for execution in said["executions"]] == [True, False]


def test_what_is_no_bundle_or_not_decided_is_refused(packed, tmp_path) -> None:
    launcher, _, file = packed
    text = tmp_path / "text.qhybrid"
    text.write_text("no zip")
    assert "this is not a bundle" in str(replay(text, tmp_path / "home").exception)
    assert "cannot be read" in str(replay(tmp_path / "none.qhybrid", tmp_path / "home").exception)
    bundle = read_bundle(file)
    newer = Bundle(facts={**bundle.facts, "format": FORMAT + 1}, files=bundle.files)
    said = str(replay(written(newer, tmp_path / "newer.qhybrid"), tmp_path / "home").exception)
    assert f"knows formats up to {FORMAT}" in said
    page = PAGE.replace("name: packed", "name: waiting").replace("ring.mc", "networkx:cubical")
    key = launcher.workspace.registration.register_text(page, file="waiting.yaml", folder=tmp_path).key
    home = str(launcher.workspace.home.path)
    refused = CliRunner().invoke(app, ["bundle", key, "--home", home]).exception
    assert isinstance(refused, InvalidInput)
    assert "is not decided on ionq:qpu.aria-1 yet" in str(refused)
    assert isinstance(CliRunner().invoke(app, ["bundle", "open", "a", "b", "--home", home]).exception, InvalidInput)
