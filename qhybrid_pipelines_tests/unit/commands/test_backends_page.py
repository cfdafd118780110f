"""The page about backends is what its module writes, and the command's columns are those that the page names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from qhybrid_pipelines.commands import backends_page
from qhybrid_pipelines.commands.backend_columns import (
    CHOICE_COLUMNS,
    CHOICE_GIVEN_UP,
    COLUMNS,
    GIVEN_UP,
    fold_unreachable,
    matrix_cells,
)

PAGE = Path(__file__).parents[3] / backends_page.PAGE
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROW = {
    "backend": "ionq:qpu.forte-1",
    "plane": "gate",
    "vendor": "IonQ",
    "mode": "hardware",
    "price_model": "per gate and shot",
    "max_qubits": 36,
    "dedupe": "tag_lookup",
    "calibrated_at": NOON - timedelta(hours=30),
    "queue_seconds": 7200.0,
    "queued_jobs": None,
    "immediate": False,
    "region": None,
    "data_classes": ["public", "internal"],
    "problem": None,
    "online": True,
}


def test_the_page_is_as_its_module_writes_it():
    assert PAGE.read_text("utf-8") == backends_page.page()


def test_what_is_given_up_is_a_column_and_names_and_answers_stay():
    assert set(GIVEN_UP) <= set(COLUMNS) - {"backend", "state"}
    assert set(CHOICE_GIVEN_UP) <= set(CHOICE_COLUMNS) - {"backend", "takes", "high_usd", "why"}


def test_cells_of_the_matrix():
    cells = matrix_cells(ROW, NOON)
    assert tuple(cells) == tuple(COLUMNS)
    assert (cells["calibrated"], cells["queue"], cells["region"]) == ("1 d 06 h", "2 h 00 min", "?")
    assert (cells["price"], cells["data"], cells["state"]) == ("per gate and shot", "public, internal", "ready")
    assert matrix_cells(ROW | {"online": False}, NOON)["state"] == "offline"
    assert matrix_cells(ROW | {"queued_jobs": 3, "queue_seconds": None}, NOON)["queue"] == "3 jobs"
    ahead = matrix_cells(ROW | {"calibrated_at": NOON + timedelta(hours=1)}, NOON)
    assert ahead["calibrated"] == "0 ms"  # an emulator's clock goes faster than ours


def test_a_backend_that_nobody_has_set_up_says_what_is_missing():
    away = {"backend": "x:y", "problem": "Set X_KEY.", "calibrated_at": None, "reachable": False}
    assert matrix_cells(away, NOON)["state"] == "Set X_KEY."


def test_cells_of_a_choice():
    cells = matrix_cells(ROW | {"takes": "no", "high_usd": 3.0, "jobs": 1, "shots": 10, "reasons": ["a", "b"]}, NOON)
    assert tuple(cells) == tuple(CHOICE_COLUMNS)
    assert cells["why"] == "a; b"


def test_backends_that_lack_the_same_key_share_a_line():
    away = {"provider": "x", "plane": "gate", "problem": "Set X_KEY.", "calibrated_at": None}
    one, two = ({**away, "backend": f"x:{name}", "vendor": name} for name in "yz")
    ready, closed = ROW | {"provider": "ionq"}, {**away, "backend": "x:w", "problem": "It is closed."}
    folded = fold_unreachable([ready, one, closed, two])
    assert [row["backend"] for row in folded] == ["ionq:qpu.forte-1", "x:* (2 backends)", "x:w"]
    cells = matrix_cells(folded[1], NOON)
    assert (cells["plane"], cells["vendor"], cells["state"]) == ("gate", None, "Set X_KEY.")
    unlike = [{**row, "takes": "no", "reasons": [reason]} for row, reason in ((one, "a"), (two, "b"))]
    assert fold_unreachable(unlike) == unlike
