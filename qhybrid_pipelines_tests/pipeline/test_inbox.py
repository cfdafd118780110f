"""The inbox: whatever is dropped, the sensor lives on, good files become experiments, and no byte is lost."""

from __future__ import annotations

import json
import os

import dagster as dg
import pytest

from qhybrid_pipelines.control.inbox import scan as inbox
from qhybrid_pipelines.control.inbox.scan import SETTLE_SECONDS, scan_inbox
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines_tests.support import wrong_inputs

GOOD = "name: good\nproblem: {family: maxcut, source: 'networkx:petersen'}\n"
RUDY = "4 3\n1 2 1\n2 3 1\n3 4 1\n"


def test_a_good_file_becomes_an_experiment_and_is_kept(box):
    box.drop("good.yaml", GOOD)
    found = box.scan_inbox()
    (registered,) = found.registered
    assert registered.new
    assert list(box.workspace.specifications) == [registered.key]
    assert (box.home.inbox / "accepted" / registered.key / "good.yaml").read_text() == GOOD
    assert (box.left(), found.quarantined, found.waiting) == ([], (), 0)


def test_a_page_that_varies_fields_becomes_all_of_its_experiments(box):
    box.drop("many.yaml", GOOD + "vary: {shots: [10, 20], seed: [1, 2, 3]}\n")
    found = box.scan_inbox()
    shots = [(one.specification.shots, one.specification.seed) for one in found.registered]
    assert shots == [(10, 1), (10, 2), (10, 3), (20, 1), (20, 2), (20, 3)]
    assert {one.key for one in found.registered} == set(box.workspace.specifications)
    box.assert_nothing_lost()


def test_a_page_with_one_wrong_experiment_is_refused_whole(box):
    box.drop("many.yaml", GOOD + "vary: {backends: [['local:auto'], ['nowhere:device']]}\n")
    assert box.scan_inbox().registered == ()
    assert list(box.workspace.specifications) == []
    assert "nowhere:device" in str(box.reasons()["many.yaml"])
    box.assert_nothing_lost()


def test_a_file_that_may_still_be_written_to_waits(box):
    path = box.drop("good.yaml", GOOD[:20], age=0)
    assert (box.scan_inbox().waiting, box.left()) == (1, ["good.yaml"])
    path.write_text(GOOD)
    box.dropped[0] = GOOD.encode()
    changed = path.stat().st_mtime
    assert scan_inbox(box.home.inbox, box.home.quarantine, box.workspace.registration, now=changed + 1).waiting == 1
    assert (
        len(
            scan_inbox(
                box.home.inbox, box.home.quarantine, box.workspace.registration, now=changed + SETTLE_SECONDS
            ).registered
        )
        == 1
    )


def test_a_file_from_the_future_does_not_wait_for_ever(box):
    box.drop("good.yaml", GOOD, age=-86400)
    assert len(box.scan_inbox().registered) == 1


@pytest.mark.parametrize("late", ["a.mc", "spec.yaml"])
def test_what_belongs_together_waits_for_all_of_it(box, late):
    box.drop("spec.yaml", "name: both\nproblem: {family: maxcut, source: a.mc}\n", age=0 if late == "spec.yaml" else 60)
    box.drop("a.mc", RUDY, age=0 if late == "a.mc" else 60)
    found = box.scan_inbox()
    assert (found.registered, found.quarantined, found.waiting) == ((), (), 1)
    os.utime(box.home.inbox / late, (0, 0))
    (registered,) = box.scan_inbox().registered
    kept = box.home.inbox / "accepted" / registered.key
    assert sorted(path.name for path in kept.iterdir()) == ["a.mc", "spec.yaml"]


def test_a_problem_file_by_itself_and_with_a_sidecar(box):
    box.drop("a.mc", RUDY)
    box.drop("b.txt", RUDY)
    box.drop("b.txt.yaml", "name: declared\nproblem: {family: maxcut, format: rudy}\nshots: 10\n")
    specs = {a.specification.name: a.specification for a in box.scan_inbox().registered}
    assert set(specs) == {"maxcut-a", "declared"}
    assert specs["declared"].shots == 10
    assert specs["declared"].problem.source.file == "b.txt"
    assert box.left() == []


@pytest.mark.parametrize("case", wrong_inputs.ALL, ids=lambda case: case.name)
def test_every_wrong_input_goes_to_quarantine_and_the_next_one_goes_on(box, case):
    for name, content in case.files.items():
        box.drop(name, content)
    box.drop("zz-good.yaml", GOOD)
    found = box.scan_inbox()
    assert [a.specification.name for a in found.registered] == ["good"]
    assert {q.name for q in found.quarantined} == set(case.files)
    reason = box.reasons()[case.submitted]
    assert (reason["file"], reason["line"], reason["field"]) == (case.about or case.submitted, case.line, case.field)
    assert all(words in reason["message"] for words in case.says)
    assert reason["remedy"]
    assert str(box.home.path) not in json.dumps(reason)
    assert box.left() == []
    assert len(list(box.workspace.specifications)) == 1


def test_a_problem_file_of_a_good_and_a_bad_specification_is_taken_in(box):
    box.drop("bad.yaml", "name: bad\nproblem: {family: maxcut, source: a.mc}\nshots: none\n")
    box.drop("good.yaml", "name: good\nproblem: {family: maxcut, source: a.mc}\n")
    box.drop("a.mc", RUDY)
    found = box.scan_inbox()
    assert [a.specification.name for a in found.registered] == ["good"]
    assert [q.name for q in found.quarantined] == ["bad.yaml"]
    assert (box.home.inbox / "accepted" / found.registered[0].key / "a.mc").is_file()


def test_the_problem_file_of_unreadable_yaml_is_no_experiment_of_its_own(box):
    box.drop("bad.yaml", "name: bad\nproblem: {family: maxcut, source: a.mc\n")
    box.drop("a.mc", RUDY)
    found = box.scan_inbox()
    assert found.registered == ()
    assert {q.name for q in found.quarantined} == {"bad.yaml", "a.mc"}


def test_a_name_that_only_happens_to_stand_in_a_specification_does_not_belong_to_it(box):
    """Short names stand in every text; comments name other files."""
    box.drop("good.yaml", GOOD + "# not e, and not a.mc\n")
    box.drop("e", "?")
    box.drop("a.mc", RUDY)
    found = box.scan_inbox()
    assert sorted(a.specification.name for a in found.registered) == ["good", "maxcut-a"]
    assert [q.name for q in found.quarantined] == ["e"]


def test_the_same_content_is_the_same_experiment_and_both_files_are_kept(box):
    box.drop("good.yaml", GOOD)
    (first,) = box.scan_inbox().registered
    box.drop("good.yaml", GOOD + "# again\n")
    box.drop("other.yaml", GOOD)
    second = box.scan_inbox().registered
    assert [(a.key, a.new) for a in second] == [(first.key, False)] * 2
    kept = sorted(path.name for path in (box.home.inbox / "accepted" / first.key).iterdir())
    assert kept == ["good.2.yaml", "good.yaml", "other.yaml"]


def test_names_that_collide_in_quarantine_replace_nothing(box):
    for _ in range(3):
        box.drop("bad.yaml", "shots: 1\n")
        box.drop("bad.yaml.error.json", '{"mine": true}\n')
        box.scan_inbox()
    assert len(list(box.home.quarantine.iterdir())) == 12
    assert not list(box.home.quarantine.glob("*.error.json.error.json.error.json"))


def test_what_was_quarantined_may_come_back_corrected(box):
    box.drop("spec.yaml", "name: x\n")
    box.scan_inbox()
    box.drop("spec.yaml", GOOD)
    assert len(box.scan_inbox().registered) == 1


def test_folders_and_hidden_files_are_left_alone(box):
    box.drop(".half.yaml.swp", GOOD)
    (box.home.inbox / "later").mkdir()
    box.dropped.append(GOOD.encode())
    (box.home.inbox / "later" / "good.yaml").write_text(GOOD)
    found = box.scan_inbox()
    assert (found.registered, found.quarantined, found.waiting) == ((), (), 0)
    assert box.left() == [".half.yaml.swp", "later"]


def test_links_pipes_and_sockets_are_refused_and_never_opened(box, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_text(GOOD)
    (box.home.inbox / "link.yaml").symlink_to(secret)
    (box.home.inbox / "dangling.mc").symlink_to(tmp_path / "gone")
    (box.home.inbox / "endless.yaml").symlink_to("/dev/zero")
    (box.home.inbox / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(box.home.inbox / "pipe.yaml")
    for path in box.home.inbox.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    found = box.scan_inbox()
    names = {"link.yaml", "dangling.mc", "endless.yaml", "folder", "pipe.yaml"}
    assert {q.name for q in found.quarantined} == names
    assert all("Copy the file itself" in reason["remedy"] for reason in box.reasons().values())
    assert secret.read_text() == GOOD
    assert box.left() == []


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(box, monkeypatch):
    """Who runs the tests may be allowed to read everything; so the refusal of the system is played."""
    box.drop("locked.yaml", GOOD)
    box.drop("locked.mc", RUDY)
    box.drop("good.yaml", GOOD)
    path_type = type(box.home.inbox)
    opened = path_type.open

    def refusing(path, *arguments, **options):
        if path.name.startswith("locked.") and path.parent == box.home.inbox:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(path_type, "open", refusing)
        patch.setattr(path_type, "read_bytes", lambda path: refusing(path, "rb").read())
        found = box.scan_inbox()
    assert [a.specification.name for a in found.registered] == ["good"]
    for name in ("locked.yaml", "locked.mc"):
        reason = box.reasons()[name]
        assert "Permission denied" in reason["message"]
        assert "permissions" in reason["remedy"]


def test_a_file_that_is_taken_away_meanwhile_is_no_error(box, monkeypatch):
    path = box.drop("gone.yaml", GOOD)
    box.dropped.clear()

    def register_files(_path):
        path.unlink()
        raise InvalidInput("there is no such file", remedy="Check the path.")

    monkeypatch.setattr(box.workspace.registration, "register_files", register_files)
    assert box.scan_inbox() == inbox.ScanResult(registered=(), quarantined=(), waiting=0)


def test_an_error_of_the_program_itself_ends_in_quarantine_and_not_in_the_sensor(box, monkeypatch):
    box.drop("strange.yaml", GOOD)
    monkeypatch.setattr(box.workspace.registration, "register_files", lambda _path: 1 / 0)
    box.scan_inbox()
    reason = box.reasons()["strange.yaml"]
    assert (reason["error"], reason["problem"]) == ("ZeroDivisionError", "division by zero")
    assert "Report" in reason["remedy"]


def test_a_hundred_files_at_once(box):
    for number in range(50):
        box.drop(f"good{number}.yaml", GOOD.replace("good", f"good{number}"))
        box.drop(f"bad{number}.mc", "half")
    found = box.scan_inbox()
    assert (len(found.registered), len(found.quarantined)) == (50, 50)


def test_the_sensor_lives_on(box):
    """Through Dagster, with names that its event log and its terminal have to bear."""
    sensor = build_definitions(Settings(home=box.home.path)).resolve_sensor_def("inbox")
    box.drop("good.yaml", GOOD)
    box.drop("wrong.yaml", "shots: 1\n")
    box.drop(os.fsdecode(b"latin-\xff\n.mc"), "half")
    os.mkfifo(box.home.inbox / "pipe.json")
    os.utime(box.home.inbox / "pipe.json", (0, 0))
    with dg.DagsterInstance.ephemeral() as instance:
        for expected in (1, 0):
            with dg.build_sensor_context(
                instance, resources={"workspace": WorkspaceResource(home=str(box.home.path))}
            ) as context:
                result = sensor.evaluate_tick(context)
            requests = result.dynamic_partitions_requests or []
            keys = [
                key
                for request in requests
                if request.partitions_def_name == EXPERIMENT_PARTITIONS
                for key in request.partition_keys
            ]
            assert len(keys) == expected
            assert keys == list(box.workspace.specifications)[:expected]
    assert len(box.reasons()) == 3
    assert box.left() == []
