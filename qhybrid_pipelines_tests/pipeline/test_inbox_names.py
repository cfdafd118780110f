"""Names of files in the inbox: accents, dots, control characters, and names as long as a disk allows."""

from __future__ import annotations

import json
import os
import unicodedata

import pytest

from qhybrid_pipelines_tests.pipeline.test_inbox import GOOD, RUDY


def test_names_that_differ_behind_a_dot_are_two_instances(box):
    """Biq Mac's benchmarks are called g05_60.0 to g05_60.9, without any ending."""
    for number, weight in enumerate((1, 2)):
        box.drop(f"g05_60.{number}", RUDY.replace("3 4 1", f"3 4 {weight}"))
        box.drop(f"g05_60.{number}.yaml", "problem: {family: maxcut, format: rudy}\n")
    found = box.scan_inbox()
    assert not found.quarantined
    assert sorted(experiment.specification.name for experiment in found.registered) == [
        "maxcut-g05_60.0",
        "maxcut-g05_60.1",
    ]


@pytest.mark.parametrize(("on_disk", "in_text"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_a_specification_finds_its_file_however_accents_are_stored(box, on_disk, in_text):
    box.drop(unicodedata.normalize(on_disk, "zürich.mc"), RUDY)
    named = unicodedata.normalize(in_text, "zürich.mc")
    box.drop("tour.yaml", f"name: tour\nproblem: {{family: maxcut, source: {named}}}\n")
    found = box.scan_inbox()
    assert not found.quarantined
    assert [experiment.specification.problem.source.file for experiment in found.registered] == ["zürich.mc"]
    assert box.left() == []


@pytest.mark.parametrize(("problem", "sidecar"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_sidecar_belongs_to_its_file_however_accents_are_stored(box, problem, sidecar):
    box.drop(unicodedata.normalize(problem, "straße-é.txt"), RUDY)
    box.drop(unicodedata.normalize(sidecar, "straße-é.txt.yaml"), "problem: {family: maxcut, format: rudy}\n")
    found = box.scan_inbox()
    assert not found.quarantined
    assert len(found.registered) == 1
    assert box.left() == []


def test_an_ambiguous_file_is_refused_with_the_way_out(box):
    box.drop("b.txt", RUDY)
    box.drop("good.yaml", GOOD)
    found = box.scan_inbox()
    assert len(found.registered) == 1
    reason = box.reasons()["b.txt"]
    assert "b.txt.yaml" in reason["remedy"]
    assert reason["error"] == "InvalidInput"
    assert str(box.home.path) not in json.dumps(reason)


@pytest.mark.parametrize(
    "name",
    [
        "with space.mc",
        "ünïcödé-图.mc",
        "quote'\".mc",
        "$(touch x);|&*?.mc",
        "two..dots.mc",
        "-rf.mc",
        "~.mc",
        "C:\u2215x.mc",
        "%2e%2e.mc",
        "x" * 252 + ".mc",
        "x" * 249 + ".mc",
    ],
)
def test_a_good_file_with_an_odd_name_is_taken_in(box, name):
    box.drop(name, RUDY)
    (registered,) = box.scan_inbox().registered
    assert registered.specification.problem.source.file == name
    assert (box.home.inbox / "accepted" / registered.key / name).is_file()


@pytest.mark.parametrize(
    "name",
    [
        "new\nline.mc",
        "tab\t.mc",
        "bell\x07.mc",
        "back\\slash.mc",
        "right\u202eto-left.mc",
        os.fsdecode(b"latin-\xff.mc"),
    ],
)
def test_a_name_with_control_characters_is_refused(box, name):
    box.drop(name, RUDY)
    box.drop("good.yaml", GOOD)
    found = box.scan_inbox()
    assert len(found.registered) == 1
    assert [q.name for q in found.quarantined] == [name]
    (reason,) = box.reasons().values()
    assert "without path or control characters" in reason["remedy"]


@pytest.mark.parametrize("ending", [".yaml", "", ".x" * 100, "." + "y" * 250])
def test_a_wrong_file_with_the_longest_name_fits_into_quarantine(box, ending):
    name = "w" * (255 - len(ending)) + ending
    for _ in range(2):
        box.drop(name, "?")
        (quarantined,) = box.scan_inbox().quarantined
        assert quarantined.path.is_file()
    assert len(list(box.home.quarantine.iterdir())) == 4


def test_a_wrong_file_with_a_long_name_of_wide_letters(box):
    box.drop("图" * 83 + ".yaml", "?")
    assert len(box.scan_inbox().quarantined) == 1


def test_a_file_called_accepted_is_refused_and_keeps_nothing_from_being_taken_in(box):
    box.drop("accepted", "?", age=0)
    box.drop("good.yaml", GOOD)
    found = box.scan_inbox()
    assert [a.new for a in found.registered] == [True]
    assert found.waiting == 2
    os.utime(box.home.inbox / "accepted", (0, 0))
    found = box.scan_inbox()
    assert [a.new for a in found.registered] == [False]
    assert [q.name for q in found.quarantined] == ["accepted"]
    assert box.left() == []
