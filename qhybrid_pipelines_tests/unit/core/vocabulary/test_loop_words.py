"""A loop in one sentence."""

from qhybrid_pipelines.core.vocabulary.loop_words import loop_sentence


def row(point, value, **more):
    known = {
        "step": point,
        "point": point,
        "optimiser": "spsa",
        "value": value,
        "standard_error": 0.1,
        "stop_reason": None,
    }
    return {**known, **more}


def test_a_loop_in_one_sentence():
    assert "nothing came back yet" in loop_sentence([row(0, None)])
    going = loop_sentence([row(0, -1.0), row(1, -3.0), row(2, None)])
    assert going == "spsa: 2 steps measured; the objective went from -1 to -3 ± 0.1 at point 1; it goes on"
    assert loop_sentence([row(0, -1.0, stop_reason="all steps are done")]).endswith(
        "it ended because all steps are done"
    )
