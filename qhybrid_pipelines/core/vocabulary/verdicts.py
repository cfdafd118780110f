"""The words of the last stages: verdicts of a comparison, and what is decided after it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from qhybrid_pipelines.core.vocabulary.enum_docs import MEANING, markdown_table


class Verdict(StrEnum):
    """Who won, in one word; in which order the rules are asked is said in docs/experiments.md."""

    QUANTUM_BETTER = "quantum_better"
    """The quantum side beats the best baseline: the lower 95 % bound of the paired gain is above the margin, over at
    least ten runs or folds; or all quantum runs were feasible and no baseline was.

    By: `problems.verdict` from paired runs; `learning.evaluation.verdict_rules` from paired folds, after correction for
    all circuits that were compared.

    Next: the quantum answer is accepted, or a round is left to reach the proved optimum.
    """
    TIE = "tie"
    """Both sides agree within the margin, over at least ten runs or folds, and the best quantum answer is one that neither
    the incumbent nor a baseline had.

    By: as `quantum_better`.

    Next: the quantum answer is accepted where no other answer is better.
    """
    NO_BETTER = "no_better"
    """Both sides agree within the margin, over at least ten runs, and the incumbent or a baseline had the value without
    anything quantum: nothing to credit a circuit with. In learning: the upper bound of the gain is below the margin, over at
    least ten folds, so that whatever the circuit gains is less than what counts; how much worse it is, if at all, stays open.

    By: as `quantum_better`.

    Next: the answer is credited to whoever had it; a learning result stands.
    """
    CLASSICAL_BETTER = "classical_better"
    """The best baseline beats the quantum side by more than the margin, or only classical runs were feasible. A result
    like any other.

    By: as `quantum_better`.

    Next: a next round where one is left and something can be adjusted; else the classical answer stands.
    """
    NOISE_LIKE = "noise_like"
    """Raw shots say nothing: at no point did they beat uniform random ones, or all of them gave one outcome that is not the
    optimum of the reduced model. What repair and local search made of them is not the circuit's work.

    By: `problems.verdict`, unless classical won by more than the margin.

    Next: a next round where one is left; else the best answer of any source stands.
    """
    INCONCLUSIVE = "inconclusive"
    """The runs do not decide: nothing was measured, there were too few runs, or the interval reaches over the margin. Or a hybrid
    solver is better, whose quantum part D-Wave does not disclose.

    By: as `quantum_better`; the reason says which.

    Next: a next round where one is left; more repetitions decide it.
    """
    SOLVED_BY_REDUCTION = "solved_by_reduction"
    """No variable was left: reduction proved the optimum, and no circuit was needed.

    By: `problems.verdict`, before anything else is asked.

    Next: the answer is accepted; nothing is sent.
    """
    NO_HEADROOM = "no_headroom"
    """The incumbent already was the proved optimum, and the quantum side reached it too: no answer could be better. Or none of
    the windows that were looked at holds anything better than the incumbent, and no circuit was run.

    By: `problems.verdict`; of windows before anything is compared, else before the reduced model's ceiling is considered.

    Next: the answer is credited to whoever had it.
    """
    REDUCED_MODEL_CEILING = "reduced_model_ceiling"
    """Even the exact optimum of the reduced model is no better than what was known before, and no answer is: nothing
    could be won in this reduced model. It says nothing about the circuit.

    By: `problems.verdict`, unless classical won by more than the margin; the reason names the best classical answer.

    Next: a round around another subproblem where one is left.
    """


class SamplingVerdict(StrEnum):
    """What a sampling experiment says of each circuit, in addition to its scores."""

    BETTER_THAN_UNIFORM = "better_than_uniform"
    """The lower 95 % bound of the polarisation is above `margin`: the outcomes agree with the reference more than uniform ones do.

    By: `sampling.verdict`.

    Next: the scores say how good they are.
    """
    NO_BETTER_THAN_UNIFORM = "no_better_than_uniform"
    """The upper 95 % bound of the polarisation is not above `margin`: a random number generator would do.

    By: `sampling.verdict`.

    Next: the result stands; a shallower or narrower circuit may fare better.
    """
    INCONCLUSIVE = "inconclusive"
    """The interval reaches over the margin, the reference is uniform itself, or nothing was measured.

    By: `sampling.verdict`; the reason says which.

    Next: more shots decide the first, another circuit the second.
    """


class DecisionKind(StrEnum):
    """What happens after a verdict."""

    ACCEPT = "accept"
    """The quantum answer stands: reduction proved the optimum, or no answer is better and it is the proved optimum,
    better, tied, or the last round's.

    By: `problems.decisions`.

    Next: the line of rounds ends.
    """
    CONTINUE = "continue"
    """A round is left (`rounds.max`) and something can be adjusted.

    By: `problems.decisions`, with the next specification in its row.

    Next: the next round is registered as an experiment of its own and runs by itself.
    """
    FALL_BACK = "fall_back"
    """Another source has the better answer; that one stands.

    By: `problems.decisions`.

    Next: the line of rounds ends.
    """


def count_verdicts(verdicts: Iterable[str]) -> str:
    """Return how many circuits of a sampling experiment have which verdict, in a few words."""
    words = list(verdicts)
    if len(words) == 1:
        return words[0]
    return ", ".join(f"{words.count(word)} {word.value}" for word in SamplingVerdict if word in words)


def verdict_table() -> str:
    """Return the verdicts as a Markdown table, for the documentation."""
    return markdown_table(Verdict, "Verdict", {MEANING: "What it means", "By": "Given by", "Next": "What happens next"})


def sampling_verdict_table() -> str:
    """Return the verdicts of sampling as a Markdown table, for the documentation."""
    return markdown_table(SamplingVerdict, "Verdict", {MEANING: "What it means", "Next": "What happens next"})


def decision_table() -> str:
    """Return the decisions as a Markdown table, for the documentation."""
    return markdown_table(DecisionKind, "Decision", {MEANING: "When", "Next": "What happens next"})
