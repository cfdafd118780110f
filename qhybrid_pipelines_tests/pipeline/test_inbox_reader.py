"""Whatever lies in the inbox, a look at it ends in time, and one hostile file hurts itself only."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.inbox.notes import InboxNotes
from qhybrid_pipelines.control.inbox.reader import InboxLimits, read_inbox
from qhybrid_pipelines.control.inbox.scan import scan_inbox
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.sources import MAX_TERMS
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

GOOD = "name: {}\nproblem: {{family: maxcut, source: 'networkx:petersen'}}\n"
RUDY = "3 2\n1 2 1\n2 3 1\n"
BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n'
BACKENDS = ("local:auto",)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").make()


def drop(home, name, content):
    path = home.inbox / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (time.time() - 60,) * 2)
    return path


def look(home, *, wait_seconds=300.0, **limits):
    return read_inbox(home, BACKENDS, InboxLimits(**limits), wait_seconds=wait_seconds)


def left(home):
    return sorted(path.name for path in home.inbox.iterdir() if path.is_file())


def reason(home, name):
    return json.loads((home.quarantine / f"{name}.error.json").read_text())


def ring(edges):
    return f"{edges} {edges}\n" + "".join(f"{i + 1} {(i + 1) % edges + 1} 1\n" for i in range(edges))


def test_good_files_are_taken_in_within_one_look(home):
    drop(home, "a.yaml", GOOD.format("a"))
    drop(home, "b.mc", RUDY)
    drop(home, "wrong.yaml", "name: [")
    found = look(home)
    assert sorted(found.registered) == sorted(Specifications(home).keys())
    assert len(found.registered) == 2
    assert [refused.name for refused in found.quarantined] == ["wrong.yaml"]
    assert (left(home), found.reading, found.problem) == ([], (), None)
    again = look(home)
    assert (again.registered, again.quarantined, again.waiting) == ((), (), 0)


@pytest.mark.parametrize("limits", [{"seconds": 0.3}, {"memory_bytes": 230 * 2**20}], ids=["time", "memory"])
def test_a_huge_file_is_given_up_and_the_others_go_on(home, limits):
    drop(home, "a.yaml", GOOD.format("a"))
    drop(home, "huge.mc", ring(99_999))
    drop(home, "z.yaml", GOOD.format("z"))
    found = look(home, **limits)
    if "seconds" in limits:  # on a slow machine the good ones may be given up too; never silently
        assert "huge.mc" in {refused.name for refused in found.quarantined}
    else:
        assert [refused.name for refused in found.quarantined] == ["huge.mc"]
        assert len(found.registered) == 2
    assert "QHYBRID_INBOX_SECONDS" in reason(home, "huge.mc")["problem"]
    assert "qhybrid run FILE" in reason(home, "huge.mc")["remedy"]
    assert left(home) == []


def test_more_terms_than_any_stage_could_work_with(home):
    count = MAX_TERMS + 1
    pairs = [(i, j) for i in range(1, 1000) for j in range(i + 1, 1000)][:count]
    drop(home, "dense.mc", f"1000 {count}\n" + "".join(f"{i} {j} 1\n" for i, j in pairs))
    drop(home, "good.yaml", GOOD.format("good"))
    found = look(home)
    assert len(found.registered) == 1
    assert f"{count:,} terms or edges" in reason(home, "dense.mc")["problem"]


def test_a_file_that_is_read_for_long_holds_up_no_tick(home):
    drop(home, "a.yaml", GOOD.format("a"))
    started = time.monotonic()
    found = look(home, wait_seconds=0.0)
    assert time.monotonic() - started < 20
    assert found.registered == ()
    until = time.monotonic() + 120
    while left(home) and time.monotonic() < until:
        time.sleep(0.1)
    found = look(home)
    assert found.registered == Specifications(home).keys()


def test_what_a_process_was_ended_by_is_named_by_the_next_look(home):
    """The kernel may end the process for want of memory: then nobody is left to say so but its note."""
    drop(home, "bad.mc", RUDY)
    drop(home, "bad.mc.yaml", "name: bad")
    drop(home, "good.yaml", GOOD.format("good"))
    InboxNotes(home).write_reading([home.inbox / "bad.mc", home.inbox / "bad.mc.yaml", home.inbox / "../ledger.db"])
    found = look(home)
    assert sorted(refused.name for refused in found.quarantined) == ["bad.mc", "bad.mc.yaml"]
    assert len(found.registered) == 1


@pytest.mark.slow
def test_two_thousand_unreadable_files_and_a_good_one(home):
    names = [f"bad{number:04d}.yaml" for number in range(2000)]
    for name in names:
        drop(home, name, f"name: [{name} {names[-1]}")
    drop(home, "good.yaml", GOOD.format("good"))
    looks = [look(home, wait_seconds=60.0) for _ in range(3)]
    assert left(home) == []
    assert sum(len(found.quarantined) for found in looks) == 2000
    assert sum(len(found.registered) for found in looks) == 1


PETERSEN = "problem: {{family: maxcut, source: 'networkx:petersen'}}\n"
#: One letter and its accent, as one character and as two.
COMPOSED, DECOMPOSED = "\u00e9", "e\u0301"
OUTSIDE = {
    "absolute": "problem: {{family: maxcut, source: '{outside}/secret.mc'}}",
    "upwards": "problem: {{family: maxcut, source: '../../outside/secret.mc'}}",
    "through a folder that is a link": "problem: {{family: maxcut, source: 'link/secret.mc'}}",
    "a circuit": "problem: {{family: maxcut, source: 'networkx:petersen', circuit: '{outside}/secret.qasm'}}",
    "data": "kind: qml\ndataset: {{source: '{outside}/secret.csv', target: y}}",
    "a file that is not there": "problem: {{family: maxcut, source: '{outside}/none.mc'}}",
    "the ledger": "problem: {{family: qubo, source: '../ledger.db', format: lp}}",
    "angles": f"{PETERSEN}sweep: {{{{strategy: given, file: '{{outside}}/secret.csv'}}}}",
    "a series of circuits": "kind: sampling\ncircuit: {{files: ['../../outside/secret.qasm']}}",
    "a reference": "kind: sampling\ncircuit: {{family: ghz, widths: [3]}}\nreference: {{file: '{outside}/secret.csv'}}",
    "this process": "problem: {{family: maxcut, source: '/proc/self/environ'}}",
    # The page spells the letter in one way, the folder in another: there is no file of the page's name to look at.
    "accents: problem": f"problem: {{{{family: maxcut, source: 'sub/{COMPOSED}.mc'}}}}",
    "accents: circuit": f"problem: {{{{family: maxcut, source: 'networkx:petersen', circuit: 'sub/{COMPOSED}.qasm'}}}}",
    "accents: angles": f"{PETERSEN}sweep: {{{{strategy: given, file: 'sub/{COMPOSED}.csv'}}}}",
    "accents: data": f"kind: qml\ndataset: {{{{source: 'sub/{COMPOSED}.csv', target: y}}}}",
    "accents: series": f"kind: sampling\ncircuit: {{{{files: ['sub/{COMPOSED}.qasm']}}}}",
    "accents: reference": (
        f"kind: sampling\ncircuit: {{{{family: ghz, widths: [3]}}}}\nreference: {{{{file: 'sub/{COMPOSED}.csv'}}}}"
    ),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_specification_reads_nothing_outside(home, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret.mc", "secret.qasm", "secret.csv"):
        (outside / name).write_text("root:x:0:0 planted-words\n")
    (home.inbox / "link").symlink_to(outside)
    (home.inbox / "sub").mkdir()
    for ending in ("mc", "qasm", "csv"):
        (home.inbox / "sub" / f"{DECOMPOSED}.{ending}").symlink_to(outside / f"secret.{ending}")
    drop(home, "spec.yaml", f"name: curious\n{OUTSIDE[kind].format(outside=outside)}\n")
    registration = Registration(Specifications(home), BACKENDS, roots=[home.inbox])
    found = look(home) if kind == "absolute" else scan_inbox(home.inbox, home.quarantine, registration)
    # Where the look takes longer than a file needs to settle, the link itself is refused in it too.
    assert [refused.name for refused in found.quarantined if refused.name != "link"] == ["spec.yaml"]
    told = (home.quarantine / "spec.yaml.error.json").read_text()
    assert "planted" not in told
    assert "root:x" not in told
    assert "lies outside" in told
    assert "no file" not in told  # nor whether it is there


@pytest.mark.parametrize("roots", [True, False], ids=["in the inbox", "by hand, the negative control"])
@pytest.mark.parametrize("kind", ["problem", "page", "sidecar"])
def test_a_link_that_takes_the_place_of_a_file_after_the_check_is_not_read(home, tmp_path, monkeypatch, kind, roots):
    """Somebody who writes to the inbox may be quicker than any check; by hand, links are followed as everywhere."""
    secret = tmp_path / "secret"
    secret.write_text({"problem": RUDY, "page": GOOD.format("planted"), "sidecar": "name: planted\n"}[kind])
    drop(home, "a.mc", RUDY)
    drop(home, "spec.yaml", "name: a\nproblem: {family: maxcut, source: a.mc}\n")
    drop(home, "a.mc.yaml", "name: beside\n")
    file = home.inbox / {"problem": "a.mc", "page": "spec.yaml", "sidecar": "a.mc.yaml"}[kind]
    usual = Path.open

    def swap(path, *arguments, **options):
        if path == file:
            file.unlink()
            file.symlink_to(secret)
        return usual(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", swap)
    registration = Registration(Specifications(home), BACKENDS, roots=[home.inbox] if roots else None)
    told = ""
    try:
        registration.register_file(home.inbox / ("a.mc" if kind == "sidecar" else "spec.yaml"))
    except InvalidInput as error:
        told = str(error)
    keys = list(Specifications(home))
    assert file.is_symlink()
    assert (keys == []) is roots
    assert bool(told) is roots
    assert "planted" not in told


def test_a_page_does_not_run_in_the_name_of_whoever_sent_another(home):
    """Rounds belong to whoever sent their first one; only the pipeline says which that is."""
    lineage = "lineage: {round: 2, parent: adas-0000000000000000, root: adas-0000000000000000}\n"
    drop(home, "spec.yaml", GOOD.format("mine") + lineage)
    assert look(home).registered == ()
    assert reason(home, "spec.yaml")["field"] == "lineage"


FILES = {
    "angles.csv": "gamma_1,beta_1\n0.1,0.2\n",
    "bell.qasm": BELL,
    "bits.csv": "outcome,probability\n00,0.5\n11,0.5\n",
}


@pytest.mark.parametrize("late", [None, *FILES])
def test_files_of_every_field_belong_to_their_page(home, late):
    """They are kept with it, refused with nothing, and waited for."""
    drop(
        home,
        "angles.yaml",
        PETERSEN.format() + "name: a\nansatz: {layers: 1}\nsweep: {strategy: given, file: angles.csv}\n",
    )
    drop(home, "series.yaml", "name: s\nkind: sampling\ncircuit: {files: [bell.qasm]}\nreference: {file: bits.csv}\n")
    for name, content in FILES.items():
        path = drop(home, name, content)
        if name == late:
            os.utime(path, (time.time() + 2,) * 2)
    found = scan_inbox(home.inbox, home.quarantine, Registration(Specifications(home), BACKENDS, roots=[home.inbox]))
    assert found.quarantined == ()
    assert len(found.registered) == (2 if late is None else 1)
    if late is None:
        assert left(home) == []
        kept = {path.name for folder in (home.inbox / "accepted").iterdir() for path in folder.iterdir()}
        assert kept == {*FILES, "angles.yaml", "series.yaml"}
    else:
        assert late in left(home)


def test_the_settings_name_further_folders(home, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "a.mc").write_text(RUDY)
    drop(home, "spec.yaml", f"name: allowed\nproblem: {{family: maxcut, source: '{library}/a.mc'}}\n")
    limits = InboxLimits.from_environment({"QHYBRID_INBOX_ROOTS": f"{library}:{tmp_path / 'none'}"})
    assert len(look(home, roots=limits.roots).registered) == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"QHYBRID_INBOX_ROOTS": "relative"},
        {"QHYBRID_INBOX_SECONDS": "soon"},
        {"QHYBRID_INBOX_SECONDS": "0"},
        {"QHYBRID_INBOX_GB": "-1"},
        {"QHYBRID_INBOX_GB": "nan"},
    ],
)
def test_wrong_settings_are_named(environment):
    with pytest.raises(InvalidInput, match=next(iter(environment))):
        InboxLimits.from_environment(environment)
    assert InboxLimits.from_environment({}) == InboxLimits()
