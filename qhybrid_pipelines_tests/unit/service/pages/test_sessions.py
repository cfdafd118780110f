"""Sessions end by themselves, by a person, and by the crowd; a form belongs to one of them."""

from __future__ import annotations

from qhybrid_pipelines.service.pages import sessions as sessions_module
from qhybrid_pipelines.service.pages.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions, is_form_of


class Seconds:
    """As much of a clock as is asked."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_a_session_ends_when_it_is_idle_and_in_any_case():
    clock = Seconds()
    sessions = Sessions(clock)
    session_id = sessions.begin("Bearer k")
    assert sessions.find(session_id).authorization == "Bearer k"
    while clock.now < 1000.0 + LONGEST_SECONDS:
        clock.now += IDLE_SECONDS - 1
        found = sessions.find(session_id)
        assert (found is None) == (clock.now > 1000.0 + LONGEST_SECONDS)
    session_id = sessions.begin("Bearer k")
    clock.now += IDLE_SECONDS + 1
    assert sessions.find(session_id) is None


def test_a_page_that_only_stays_open_keeps_no_session_from_ending():
    clock = Seconds()
    sessions = Sessions(clock)
    session_id = sessions.begin("Bearer k")
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(session_id, is_used=False) is not None
    clock.now += 2
    assert sessions.find(session_id, is_used=False) is None


def test_signing_out_ends_it_and_nothing_else():
    sessions = Sessions()
    one, two = sessions.begin("Bearer a"), sessions.begin("Bearer b")
    sessions.end(one)
    sessions.end(None)
    assert sessions.find(one) is None
    assert sessions.find(two).authorization == "Bearer b"
    for wrong in (None, "", one[:-1], "x" * 43):
        assert sessions.find(wrong) is None


def test_a_form_is_of_its_own_session():
    sessions = Sessions()
    one, two = (sessions.find(sessions.begin(None)) for _ in range(2))
    assert is_form_of(one, one.form_token)
    assert not is_form_of(one, two.form_token)
    assert not is_form_of(one, "")
    assert not is_form_of(one, "ü")


def test_the_one_that_was_idle_longest_makes_room(monkeypatch):
    monkeypatch.setattr(sessions_module, "MOST_SESSIONS", 3)
    clock = Seconds()
    sessions = Sessions(clock)
    made = []
    for _ in range(3):
        made.append(sessions.begin(None))
        clock.now += 1
    sessions.find(made[0])
    sessions.begin(None)
    assert [sessions.find(one) is not None for one in made] == [True, False, True]
