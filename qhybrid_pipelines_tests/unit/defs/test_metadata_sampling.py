"""What an operator reads beside the assets of a sampling experiment."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.defs.metadata_sampling import reasons_by_circuit


def test_each_reason_names_its_circuit() -> None:
    verdicts = pa.table({"circuit": ["ghz-3", "ghz-4"], "reason": ["It is better.", "Nothing is known."]})
    text = reasons_by_circuit(verdicts).value
    assert text.replace("\\", "") == "ghz-3: It is better.\n\nghz-4: Nothing is known."


def test_a_name_is_no_markup() -> None:
    verdicts = pa.table({"circuit": ["[a](http://b)"], "reason": ["<b>"]})
    text = reasons_by_circuit(verdicts).value
    assert (
        text.replace("\\[", "").replace("\\<", "") == "a](http://b): b>"
    )  # every bracket that begins markup is escaped


def test_no_verdict_is_no_text() -> None:
    assert (
        reasons_by_circuit(pa.table({"circuit": pa.array([], pa.string()), "reason": pa.array([], pa.string())})).value
        == ""
    )
