"""Nothing that others wrote steers a terminal, and nothing else of it changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.text.printable import one_line, printable

STEERING = {
    "\x1b[2J": r"\x1b[2J",  # clears the screen
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\rb": r"a\rb",  # writes over what stands there
    "a\x08b": r"a\x08b",
    "\x9b31m": r"\x9b31m",  # the same as ESC [ in one character
    "txt.\u202eexe": r"txt.\u202eexe",  # shown as txt.exe read backwards
    "\u2066a\u2069": r"\u2066a\u2069",
    "a\u2028b": r"a\u2028b",
    "\udcff": r"\udcff",  # a file name that is not UTF-8
    "\ufeffa": r"\ufeffa",
    "a\x00b": r"a\x00b",
}
HARMLESS = [
    "",
    "Müller & Söhne",
    "日本語",
    "می\u200cخواهم",  # noqa: RUF001
    "γ = 0.5, β·2",  # noqa: RUF001
    "two\nlines\tand a tab",
    "[/x] [bold]",
    "👩‍🔬",
]


@pytest.mark.parametrize(("text", "shown"), STEERING.items(), ids=ascii)
def test_what_steers_is_spelt_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_steers_nothing_stays(text):
    assert printable(text) == text


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_shown_and_written(text):
    shown = printable(text)
    assert not {letter for letter in shown if ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0} - {"\n", "\t"}
    assert printable(shown) == shown
    shown.encode()
    assert "\n" not in one_line(text)


def test_messages_and_vendors_words_steer_nothing():
    bad = "\x1b[2J\u202e"
    assert "\x1b" not in str(InvalidInput(f"file {bad}", remedy="none", file=f"{bad}.yaml"))
    assert "\u202e" not in str(Unavailable(bad))
    ref = JobRef(provider="vendor", backend="vendor:device", provider_job_id="1")
    seen = Snapshot(ref=ref, state=JobState.FAILED, raw_status=bad, message=f"two\nlines {bad}")
    assert (seen.raw_status, seen.message) == (r"\x1b[2J\u202e", r"two lines \x1b[2J\u202e")
