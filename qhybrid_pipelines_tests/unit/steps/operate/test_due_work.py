"""What is due among experiments that are not settled is what is due among all: compared over histories that are generated."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import due_stages
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.steps.interpret.next_rounds import register_next_rounds
from qhybrid_pipelines.steps.operate import due_work
from qhybrid_pipelines.steps.operate.due_work import find_due_work, open_experiments, settled_marks
from qhybrid_pipelines.storage import settled_marks as marks_module
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.requesters import first_rounds_requester
from qhybrid_pipelines_tests.support.home_histories import LIVES, HomeHistory

#: What may happen to one of the experiments.
DEEDS = {
    "write a table": HomeHistory.write_next_table,
    "decide": HomeHistory.decide,
    "decide once more": HomeHistory.decide,
    "another round": HomeHistory.continue_with_a_round,
    "remove the first table": lambda history, key: history.remove_a_table(key, 0),
    "remove the last table": lambda history, key: history.remove_a_table(key, -1),
    "remove a table between": lambda history, key: history.remove_a_table(key, 7),
    "damage the decision": HomeHistory.damage_a_decision,
    "damage the specification": HomeHistory.damage_specification,
    "remove the specification": HomeHistory.remove_specification,
    "damage the requester": HomeHistory.damage_requester,
    "finish jobs": HomeHistory.finish_jobs,
    "stop": HomeHistory.stop,
    "go on": HomeHistory.go_on,
    **{f"a job {life}": lambda history, key, life=life: history.write_job(key, life) for life in LIVES},
}
#: What happens to the home.
EVENTS = {
    "register": HomeHistory.register,
    "register for both": lambda history: history.register(both=True),
    "register learning": lambda history: history.register(learning=True),
    "damage the marks": HomeHistory.damage_marks,
    "remove the marks": HomeHistory.remove_marks,
}
STEPS = st.one_of(
    st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(0, 5)), st.tuples(st.sampled_from(sorted(EVENTS)), st.none())
)


@pytest.fixture(autouse=True)
def _files_are_told_apart_by_their_sizes(monkeypatch):
    monkeypatch.setattr(marks_module, "MIN_AGE_SECONDS", 0.0)


def all_that_is_due(history):
    """What the sensors asked before there were marks: every specification, every decision, every stage."""
    damage, going_on = Damage(), []
    for key in history.experiments():
        with damage.of(key):
            going_on += [] if key in history.stops else [key]
    known = []
    for key, spec in load_readable(history.specifications, going_on, damage):
        with damage.of(key):
            first_rounds_requester(history.home, key, spec)
            known.append((key, spec))
    new = register_next_rounds(known, history.lake, history.registration, damage)
    everything = [*known, *load_readable(history.specifications, new, damage)]
    return sorted(due_stages(everything, history.lake, history.view, damage)), set(damage.problems)


def quickly_due(history, marks, **options):
    damage = Damage()
    due = find_due_work(
        history.specifications, history.lake, history.view, history.registration, damage, marks=marks, **options
    )
    return sorted(due), set(damage.problems)


def do(history, step):
    name, number = step
    if number is None:
        EVENTS[name](history)
        return
    if keys := history.experiments():
        with suppress(CorruptFile):  # to an experiment that cannot be read nothing else happens
            DEEDS[name](history, keys[number % len(keys)])


def compare(steps):
    with tempfile.TemporaryDirectory() as folder:
        history = HomeHistory(Home(Path(folder) / "home"))
        marks = settled_marks(history.home)
        for _ in range(2):
            history.decide(history.register())
        for step in steps:
            do(history, step)
            assert quickly_due(history, marks) == all_that_is_due(history), step
        return len(marks.keys())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=12))
def test_the_quick_answer_is_the_full_one_after_every_step(steps):
    compare(steps)


#: Of a decided and marked experiment something becomes due, or cannot be read any more.
COMES_BACK = [
    [("write a table", 0), ("a job to be sent", 0)],
    [("write a table", 0), ("a job to be collected", 0)],
    [("a job with its provider", 0), ("finish jobs", 0)],
    [("write a table", 0), ("another round", 0)],
    [("another round", 0), ("remove the specification", 1)],
    *([("write a table", 0), (deed, 0)] for deed in DEEDS if deed.startswith(("remove", "damage"))),
]


@pytest.mark.parametrize("steps", COMES_BACK, ids=lambda steps: ", ".join(name for name, _ in steps))
def test_a_mark_hides_nothing(steps):
    compare(steps)


def test_the_comparison_notices_marks_that_are_believed_for_ever(monkeypatch):
    monkeypatch.setattr(marks_module.SettledMarks, "take_away_changed", lambda self, most: set())
    with pytest.raises(AssertionError):
        compare([("write a table", 0), ("remove the last table", 0)])


def test_the_comparison_notices_jobs_that_nobody_asks_for(monkeypatch):
    monkeypatch.setattr(due_work, "unfinished_experiments", lambda ledger: set())
    with pytest.raises(AssertionError):
        compare([("write a table", 0), ("a job to be collected", 0)])


@pytest.fixture
def history(tmp_path):
    return HomeHistory(Home(tmp_path / "home"))


def test_what_is_settled_is_not_looked_at_again(history, monkeypatch):
    marks = settled_marks(history.home)
    decided = [history.register() for _ in range(3)]
    for key in decided:
        history.decide(key)
    new = history.register()
    waiting = history.register()
    history.stop(waiting)
    quickly_due(history, marks)
    assert marks.keys() == set(decided)
    asked = []
    load_any = type(history.specifications).load_any
    monkeypatch.setattr(
        type(history.specifications), "load_any", lambda self, key: asked.append(key) or load_any(self, key)
    )
    assert [stage.experiment for stage in quickly_due(history, marks)[0]] == [new]
    assert asked == [new]
    assert set(open_experiments(history.specifications, history.ledger, marks.keys())) == {new, waiting}


def test_looking_at_all_marks_finds_what_was_changed_and_takes_nothing_away(history):
    marks = settled_marks(history.home)
    keys = [history.register() for _ in range(3)]
    for key in keys:
        history.decide(key)
    quickly_due(history, marks)
    assert marks.find_changed() == set()
    history.damage_a_decision(keys[1])
    history.damage_specification(keys[2])
    assert marks.find_changed() == set(keys[1:])
    assert marks.keys() == set(keys)


def test_another_release_looks_at_everything_once_more(history):
    history.decide(history.register())
    quickly_due(history, settled_marks(history.home))
    other = marks_module.SettledMarks(history.home, rules="of another release")
    assert settled_marks(history.home).keys()
    assert not other.keys()
    quickly_due(history, other)
    assert other.keys()
    assert not settled_marks(history.home).keys()


def test_many_marks_are_looked_at_in_turn(history):
    marks = settled_marks(history.home)
    keys = sorted(history.register() for _ in range(5))
    for key in keys:
        history.decide(key)
    quickly_due(history, marks)
    history.remove_a_table(keys[4], 0)
    history.remove_a_table(keys[0], 0)
    found = [{stage.experiment for stage in quickly_due(history, marks, checked_marks=2)[0]} for _ in range(3)]
    assert found == [{keys[0]}, {keys[0]}, {keys[0], keys[4]}]
    history.decide(keys[0])
    history.decide(keys[4])
    assert quickly_due(history, marks, checked_marks=2) == ([], set())
    assert marks.keys() == set(keys)


def test_what_there_was_no_time_for_comes_first_the_next_time(history, monkeypatch):
    monkeypatch.setattr(due_work, "TOGETHER", 2)
    marks = settled_marks(history.home)
    keys = sorted(history.register() for _ in range(5))
    assert [stage.experiment for stage in quickly_due(history, marks, limit_seconds=0)[0]] == keys[:2]
    assert marks.left == tuple(keys[2:])
    assert [stage.experiment for stage in quickly_due(history, marks, limit_seconds=0)[0]] == keys[2:4]
    assert marks.left == (keys[4], *keys[:2])
    assert [stage.experiment for stage in quickly_due(history, marks)[0]] == keys
    assert marks.left == ()


def test_a_home_that_nobody_may_write_to_is_looked_at_whole(history):
    history.decide(history.register())
    history.home.settled.mkdir()  # nothing can be kept there
    marks = settled_marks(history.home)
    assert quickly_due(history, marks) == ([], set())
    assert marks.keys() == set()
