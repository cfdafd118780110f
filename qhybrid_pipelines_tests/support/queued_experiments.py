"""Small experiments for a provider that queues, and the policy under which they are polled as often as a test asks."""

QUEUED = "ionq:simulator"
_SPECIFICATION = """
name: NAME
problem: {family: maxcut, source: "networkx:petersen"}
ansatz: {layers: 1}
shots: 64
repetitions: 2
sweep: {strategy: fixed_angles, points: 2}
rounds: {max: 1}
backends: ["ionq:simulator"]
"""
_TIERS = (
    "tiers: {batch: {poll_min_seconds: 0.001, poll_max_seconds: 0.001, cancel_grace_seconds: 0, deadline_seconds: %g}}"
)
_ALLOW = "rules: [{name: all, then: allow, reason: a test}]"


def specification(name: str) -> str:
    """Return an experiment; tokens follow from its content, so tests on one cloud need names of their own."""
    return _SPECIFICATION.replace("NAME", name)


def policy(*, rules: str = _ALLOW, deadline_seconds: float = 3600.0, breaker: str = "{}") -> str:
    """Return a policy file."""
    return f"{rules}\n{_TIERS % deadline_seconds}\nrouting: {{breaker: {breaker}}}\n"
