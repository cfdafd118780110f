"""The policy: strict, ordered, and no unless a rule says otherwise."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.policy.rules import (
    Policy,
    PolicyRequest,
    Rule,
    decide,
    may_need_approval,
    parse_policy,
    read_policy,
)
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.errors import InvalidInput

POLICY_REQUEST = PolicyRequest(
    principal="ada",
    environment="dev",
    backend="ionq:qpu.aria-1",
    mode="hardware",
    shots=1000,
    cost_usd=5.0,
    data_class="internal",
)
ENVIRONMENTS = ("dev", "test", "prod")
MODES = ("hardware", "simulator", "local-testing", "emulator")
CLASSES = ("public", "internal", "confidential")

asks = st.builds(
    PolicyRequest,
    principal=st.sampled_from(["ada", "bob", "ui-anonymous"]),
    environment=st.sampled_from(ENVIRONMENTS),
    backend=st.sampled_from(["local:auto", "ionq:simulator", "ionq:qpu.aria-1"]),
    mode=st.sampled_from(MODES),
    shots=st.integers(1, 5000),
    cost_usd=st.sampled_from([0.0, 0.5, 100.0]),
    data_class=st.sampled_from(CLASSES),
    region=st.sampled_from([None, "this-machine", "eu-de", "us-east"]),
)
maybe = lambda values: st.none() | st.lists(st.sampled_from(values), min_size=1, unique=True).map(tuple)  # noqa: E731
rules = st.builds(
    Rule,
    name=st.uuids().map(str),
    then=st.sampled_from(["allow", "deny", "approve"]),
    reason=st.just("because"),
    principal=maybe(["ada", "b*", "*"]),
    environment=maybe(ENVIRONMENTS),
    backend=maybe(["ionq:*", "*:auto"]),
    mode=maybe(MODES),
    data_class=maybe(CLASSES),
    region=maybe(["eu-*", "this-machine", "*"]),
    outside_region=maybe(["eu-*", "this-machine", "*"]),
    max_shots=st.none() | st.integers(1, 5000),
    max_cost_usd=st.none() | st.sampled_from([0.0, 50.0]),
    above_cost_usd=st.none() | st.sampled_from([0.0, 50.0]),
)


def policy_of(*given_rules: Rule) -> Policy:
    return Policy(rules=given_rules)


@settings(deadline=None, max_examples=150)
@given(st.lists(rules, min_size=1, max_size=5, unique_by=lambda rule: rule.name), asks)
def test_the_first_rule_that_fits_decides_alone(given_rules, policy_request) -> None:
    alone = [decide(policy_of(rule), policy_request) for rule in given_rules]
    fitting = [decision for decision in alone if decision.rule is not None]
    assert decide(policy_of(*given_rules), policy_request) == (fitting[0] if fitting else alone[0])
    assert all(decision.verdict == "deny" for decision in alone if decision.rule is None)


@settings(deadline=None, max_examples=150)
@given(rules, asks)
def test_a_limit_that_is_kept_by_much_is_kept_by_little(rule, policy_request) -> None:
    rule = rule.model_copy(update={"above_cost_usd": None})
    if decide(policy_of(rule), policy_request).rule is not None:
        assert decide(policy_of(rule), replace(policy_request, shots=1, cost_usd=0.0)).rule is not None


class TestBuiltIn:
    policy = read_policy(None)

    @pytest.mark.parametrize(
        ("change", "verdict", "rule"),
        [
            ({}, "approve", "paid-hardware"),
            ({"cost_usd": 0.0}, "allow", "free-hardware"),
            ({"mode": "simulator"}, "allow", "simulators"),
            ({"mode": "emulator"}, "allow", "emulator"),
            ({"mode": "emulator", "principal": "ui-anonymous"}, "deny", "anonymous-spends-nothing"),
            ({"environment": "prod", "mode": "simulator", "cost_usd": 0.0}, "deny", "prod-needs-a-policy"),
            ({"data_class": "confidential"}, "deny", "confidential-never-leaves"),
            ({"data_class": "confidential", "mode": "emulator"}, "deny", "confidential-never-leaves"),
            ({"data_class": "confidential", "mode": "simulator"}, "deny", "confidential-never-leaves"),
        ],
    )
    def test_it_says(self, change, verdict, rule) -> None:
        decision = decide(self.policy, replace(POLICY_REQUEST, **change))
        assert (decision.verdict, decision.rule) == (verdict, rule)
        assert decision.reason

    @settings(deadline=None)
    @given(asks)
    def test_laws_that_hold_for_everybody(self, policy_request) -> None:
        verdict = decide(self.policy, policy_request).verdict
        if policy_request.environment == "prod":
            assert verdict == "deny"
        if (
            policy_request.data_class == "confidential"
            and policy_request.mode in ("hardware", "emulator")
            and not policy_request.backend.startswith("local:")
        ):
            assert verdict == "deny"
        if policy_request.principal == "ui-anonymous" and policy_request.cost_usd > 0 and verdict != "deny":
            assert policy_request.data_class == "confidential"
            assert policy_request.backend.startswith("local:") or policy_request.mode == "local-testing"
        if (
            policy_request.mode == "hardware"
            and policy_request.cost_usd > 0
            and not policy_request.backend.startswith("local:")
        ):
            assert verdict != "allow"

    def test_tiers_differ_in_patience(self) -> None:
        tiers = self.policy.tiers
        seconds = [tiers.of(name).deadline_seconds for name in ("interactive", "batch", "scheduled")]
        assert seconds == sorted(seconds)


class TestFile:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "the policy is empty"),
            ("rules: [{name: a, then: alow, reason: b}]", "line 1, field 'rules.0.then'.*Did you mean allow"),
            (
                "rules:\n  - name: a\n    then: allow\n    reason: b\n    cost: 3\n",
                "line 5, field 'rules.0.cost': unknown",
            ),
            ("rule: 3", "Did you mean rules"),
            ("rules: []", "at least 1 entry"),
            (
                "rules: [{name: a, then: deny, reason: b}, {name: a, then: deny, reason: b}]",
                "two rules have the same name",
            ),
            (
                "rules: [{name: a, then: deny, reason: b}]\ntiers: {batch: {poll_min_seconds: 1000000.0}}",
                "field 'tiers.batch'",
            ),
            ("rules: [{name: a, then: deny, reason: b, max_shots: -1}]", "at least 1"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, text, words) -> None:
        with pytest.raises(InvalidInput, match=re.compile(f"my.yaml.*{words}", re.DOTALL)):
            parse_policy(text, file="my.yaml")

    def test_a_file_that_is_not_there_is_named(self, tmp_path) -> None:
        with pytest.raises(InvalidInput, match="QHYBRID_POLICY"):
            read_policy(tmp_path / "policy.yaml")

    def test_the_hash_follows_what_it_says_and_not_how(self) -> None:
        one = parse_policy("rules: [{name: a, then: deny, reason: b}]", file="x")
        same = parse_policy("# hello\nrules:\n  - {reason: b, then: deny, name: a}\n", file="y")
        other = parse_policy("rules: [{name: a, then: allow, reason: b}]", file="z")
        assert one.sha256 == same.sha256 != other.sha256

    def test_a_policy_without_regions_has_the_hash_that_it_had_before_there_were_any(self) -> None:
        plain = parse_policy("rules: [{name: a, then: deny, reason: b}]", file="x")
        assert plain.sha256 == "2bef716492eb73b0c172b60428168d9f7b341e533d7519079b0424753fea84ac"
        regions = [
            parse_policy(f"rules: [{{name: a, then: deny, reason: b, {field}: 'eu-*'}}]", file="x").sha256
            for field in ("region", "outside_region")
        ]
        assert len({plain.sha256, *regions}) == 3

    def test_the_example_of_the_page_is_a_policy_for_prod(self) -> None:
        page = Path(__file__).parents[4] / "docs" / "policy.md"
        [example] = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        policy = parse_policy(example, file="policy.md")
        verdict = lambda **change: decide(policy, replace(POLICY_REQUEST, **change)).verdict  # noqa: E731
        assert verdict(environment="prod", principal="nightly", cost_usd=20.0) == "allow"
        assert verdict(environment="prod", principal="nightly", cost_usd=21.0) == "approve"
        assert verdict(environment="prod", principal="ada", mode="simulator", backend="local:auto") == "allow"
        assert verdict(data_class="confidential") == "deny"
        assert policy.routing.failover["ionq:qpu.aria-1"] == ("ionq:qpu.forte-1",)

    def test_the_rule_of_the_page_that_demands_a_region(self) -> None:
        page = Path(__file__).parents[4] / "docs" / "policy.md"
        [rule] = re.findall(r"`(\{name: in-the-union.*?\})`", page.read_text("utf-8"))
        policy = parse_policy(f"rules: [{rule}, {{name: rest, then: allow, reason: r}}]", file="policy.md")
        verdicts = {
            region: decide(policy, replace(POLICY_REQUEST, region=region)).verdict
            for region in ("eu-de", "this-machine", "us-east", "eu", None)
        }
        assert verdicts == {"eu-de": "allow", "this-machine": "allow", "us-east": "deny", "eu": "deny", None: "deny"}


@pytest.mark.parametrize(
    ("rules", "asks"),
    [
        ("{name: a, then: allow, reason: r}", False),
        ("{name: a, then: approve, reason: r}", True),
        ("{name: a, then: approve, backend: 'ionq:*', reason: r}", False),
        ("{name: a, then: approve, mode: hardware, reason: r}", False),
        ("{name: a, then: approve, mode: [hardware, simulator], reason: r}", True),
        ("{name: a, then: approve, above_cost_usd: 5, reason: r}", True),
        ("{name: a, then: allow, backend: 'local:*', reason: r}, {name: b, then: approve, reason: r}", False),
        ("{name: a, then: allow, max_shots: 9, reason: r}, {name: b, then: approve, reason: r}", True),
        ("{name: a, then: approve, outside_region: this-machine, reason: r}", False),
        ("{name: a, then: approve, region: this-machine, reason: r}", True),
        ("{name: a, then: allow, region: 'this-*', reason: r}, {name: b, then: approve, reason: r}", False),
    ],
)
def test_whether_a_person_may_be_asked(rules, asks) -> None:
    assert may_need_approval(parse_policy(f"rules: [{rules}]", file="p.yaml"), "local:auto") is asks


def test_budgets_of_a_month_and_of_a_provider_beside_the_rules():
    policy = parse_policy(
        "budgets: [{usd: 500}, {usd: 100, provider: ionq}, {usd: 900, per: ever}]", file="policy.yaml"
    )
    assert policy.rules == read_policy(None).rules
    assert policy.spending_limits_for("ada") == (
        SpendingLimit(limit_usd=500.0),
        SpendingLimit(limit_usd=100.0, provider="ionq"),
        SpendingLimit(limit_usd=900.0, per="ever"),
    )
    assert policy.sha256 != read_policy(None).sha256


def test_budgets_of_a_day_and_of_whoever_asks():
    policy = parse_policy(
        "budgets: [{usd: 9}, {usd: 1, per: day, principal: '*'}, {usd: 5, per: day, principal: ada}, "
        "{usd: 2, per: month, principal: '*'}]",
        file="policy.yaml",
    )
    everybody = SpendingLimit(limit_usd=9.0)
    assert policy.spending_limits_for("ada") == (
        everybody,
        SpendingLimit(limit_usd=5.0, per="day", principal="ada"),
        SpendingLimit(limit_usd=2.0, principal="ada"),
    )
    assert policy.spending_limits_for("bob") == (
        everybody,
        SpendingLimit(limit_usd=1.0, per="day", principal="bob"),
        SpendingLimit(limit_usd=2.0, principal="bob"),
    )
    assert set(policy.all_spending_limits(["bob", "bob"])) == {
        *policy.spending_limits_for("ada"),
        *policy.spending_limits_for("bob"),
    }
    with pytest.raises(InvalidInput, match="same principal, provider and time"):
        parse_policy("budgets: [{usd: 1, principal: ada}, {usd: 2, principal: ada}]", file="policy.yaml")


def without_regions(said):
    """Return what a policy says as it was said before rules had regions and artefacts periods."""
    fields = {"region", "outside_region"}
    del said["retention"]
    return said | {"rules": [{name: rule[name] for name in rule if name not in fields} for rule in said["rules"]]}


def test_a_policy_of_before_budgets_had_principals_has_the_hash_that_it_had():
    policy = parse_policy("budgets: [{usd: 500}, {usd: 900, per: ever}]", file="policy.yaml")
    said = without_regions(policy.model_dump(mode="json"))
    said["budgets"] = [
        {"usd": 500.0, "per": "month", "provider": None},
        {"usd": 900.0, "per": "ever", "provider": None},
    ]
    assert policy.sha256 == content_hash(said)


def test_how_long_artefacts_are_kept_decides_about_no_job():
    periods = parse_policy("retention: {counts_days: 30}", file="policy.yaml")
    assert periods.retention.days("counts") == 30
    assert periods.retention.days("circuits") is None
    assert periods.sha256 == parse_policy("{}", file="policy.yaml").sha256
    for wrong in ("{counts_days: 0}", "{counts: 30}", "{counts_days: soon}"):
        with pytest.raises(InvalidInput, match=r"retention\.counts"):
            parse_policy(f"retention: {wrong}", file="policy.yaml")


def test_a_policy_without_budgets_has_the_hash_of_before_there_were_any():
    built_in = read_policy(None)
    assert built_in.budgets == ()  # `qhybrid status` says so without reading it
    assert built_in.sha256 == content_hash(without_regions(built_in.model_dump(mode="json", exclude={"budgets"})))


@pytest.mark.parametrize(
    ("budgets", "problem"),
    [
        ("{usd: -1}", "usd"),
        ("{usd: .inf}", "usd"),
        ("{usd: 1, per: week}", "per"),
        ("{usd: 1, provider: 'ionq:simulator'}", "provider"),
        ("[{usd: 1}, {usd: 2}]", "two budgets"),
        ("{dollars: 1}", "unknown field"),
    ],
)
def test_a_wrong_budget_is_refused_with_its_line(budgets, problem):
    with pytest.raises(InvalidInput, match=problem) as refused:
        parse_policy(f"routing: {{}}\nbudgets: {budgets}\n", file="policy.yaml")
    assert "policy.yaml" in str(refused.value)
