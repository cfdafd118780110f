"""What a body may ask of the decision service; the problem in it is that of an experiment, and is read as one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.specification_text import validate_experiments
from qhybrid_pipelines.service.decisions.decision_models import DecisionRequest, OutcomeReport, UsedVersion
from qhybrid_pipelines.service.intake.json_bodies import read_object, validated
from qhybrid_pipelines.service.intake.network_request import FILES, SPECIFICATION, NetworkRequest, read_request
from qhybrid_pipelines.service.problem_documents import ProblemError, invalid, problem_of

#: By when the first answer is there, where the client does not say it.
DEFAULT_ANSWER_MS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionOrder:
    """What somebody wants to have decided.

    Attributes:
        request: specification and files, as an experiment would send them.
        terms: the other fields.
    """

    request: NetworkRequest
    terms: DecisionRequest

    @property
    def deadline_seconds(self) -> float:
        """After which nothing is upgraded."""
        return self.terms.deadline_ms / 1000

    @property
    def answer_seconds(self) -> float:
        """By which the first answer is there."""
        return min(self.terms.answer_ms or DEFAULT_ANSWER_MS, self.terms.deadline_ms) / 1000

    @property
    def content(self) -> dict[str, Any]:
        """What is stored, so that later candidates and outcomes can be judged."""
        return {
            SPECIFICATION: self.request.specification,
            FILES: self.request.files,
            "uncertainty": {"noise": self.terms.noise, "scenarios": self.terms.scenarios, "seed": self.terms.seed},
        }

    @property
    def content_sha256(self) -> str:
        """The same for the same problem, however it was written."""
        problem = self.request.specification.get("problem")
        return sha256_hex(canonical_json([problem, self.request.files]))


def read_decision(body: bytes) -> DecisionOrder:
    """Return what a body asks for.

    Raises:
        ProblemError: it is not JSON, is too large, or says something wrong.
    """
    found = read_object(body)
    terms = validated(DecisionRequest, found)
    if terms.noise and terms.scenarios is not None:
        raise invalid("noise and scenarios are given", remedy="Give one of the two.", field="scenarios")
    if terms.scenarios is not None and len({len(row) for row in terms.scenarios}) > 1:
        raise invalid(
            "scenarios have different lengths",
            remedy="Give one coefficient for each variable in every scenario.",
            field="scenarios",
        )
    if terms.answer_ms is not None and terms.answer_ms > terms.deadline_ms:
        raise invalid("the answer would come after the deadline", remedy="Give a smaller one.", field="answer_ms")
    problem = {SPECIFICATION: found[SPECIFICATION], FILES: found.get(FILES, {})}
    request = read_request(json.dumps(problem, ensure_ascii=False).encode())
    _check_fields(request.specification)
    return DecisionOrder(request=request, terms=terms)


def _check_fields(specification: dict[str, Any]) -> None:
    """Refuse here, at once, what is not a specification: a busy machine must not answer that it is too busy."""
    try:
        validate_experiments(dict(specification), file=SPECIFICATION, lines={})
    except InvalidInput as error:
        raise ProblemError(replace(problem_of(error), file=None)) from None


def read_used(body: bytes) -> UsedVersion:
    """Return which version a client says that it has used.

    Raises:
        ProblemError: the body says something else.
    """
    return validated(UsedVersion, read_object(body))


def read_outcome(body: bytes) -> OutcomeReport:
    """Return what a client says came of a decision.

    Raises:
        ProblemError: the body says something else.
    """
    found = validated(OutcomeReport, read_object(body))
    if found.value is None and found.coefficients is None:
        raise invalid("nothing is said about the outcome", remedy="Give value or coefficients.", field="value")
    if found.value is not None and found.coefficients is not None:
        raise invalid("the value follows from the coefficients", remedy="Give one of the two.", field="coefficients")
    if found.fallback_value is not None and found.value is None:
        raise invalid("fallback_value needs value", remedy="Give value too.", field="fallback_value")
    return found
