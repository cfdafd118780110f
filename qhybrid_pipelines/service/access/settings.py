"""What whoever keeps a service says about its callers: `service.yaml` in the home, read when the service starts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from qhybrid_pipelines.control.policy.tiers import as_tuple
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.core.specifications.specification_text import find_line, read_mapping
from qhybrid_pipelines.core.specifications.validation_messages import first_finding
from qhybrid_pipelines.service.access.rate_limits import RateLimit
from qhybrid_pipelines.storage.layout import Home

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
TokenType = Literal["at+jwt", "jwt"]
#: Stands for every principal that the file does not name.
EVERYBODY_ELSE = "*"


class CallerLimit(StrictModel):
    """How much one principal may ask for."""

    principal: str = Field(
        default=EVERYBODY_ELSE, min_length=1, max_length=100, description="Whose; '*' is everybody else, each alone."
    )
    requests: int | None = Field(
        default=6000, ge=1, le=10_000_000, description="Requests in `per_seconds`; null is as many as they like."
    )
    per_seconds: int = Field(default=60, ge=1, le=86_400, description="Length of the window in seconds.")
    at_once: int | None = Field(
        default=32, ge=1, le=1_000, description="Requests under way at a time; null is as many as they like."
    )

    @property
    def rate_limit(self) -> RateLimit:
        """The limit as it is counted."""
        return RateLimit(requests=self.requests, per_seconds=self.per_seconds, at_once=self.at_once)


class TokenSettings(StrictModel):
    """An issuer whose tokens let callers in."""

    issuer: str = Field(min_length=1, max_length=500, description="The claim `iss`, letter by letter.")
    audience: str = Field(min_length=1, max_length=500, description="The claim `aud`, or one of several in it.")
    jwks: str = Field(
        min_length=1, max_length=2000, description="The issuer's public keys: a path in the home, or an https address."
    )
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(as_tuple)] = Field(
        default=("RS256", "ES256"), min_length=1, description="What tokens may be signed by; all have public keys."
    )
    types: Annotated[tuple[TokenType, ...], BeforeValidator(as_tuple)] = Field(
        default=("at+jwt",), min_length=1, description="The header `typ`: at+jwt (RFC 9068), or jwt as well."
    )
    principal_claim: str = Field(default="sub", min_length=1, description="The claim that names the principal.")
    scope_claim: str = Field(default="scope", min_length=1, description="The claim with the scopes.")
    scope_prefix: str = Field(default="", description="Prefix of the scopes of this service.")


class ServiceSettings(StrictModel):
    """The whole file."""

    tokens: TokenSettings | None = None
    limits: Annotated[tuple[CallerLimit, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _principals_are_distinct(self) -> ServiceSettings:
        names = [limit.principal for limit in self.limits]
        if len(set(names)) != len(names):
            raise ValueError("two limits are for the same principal")
        return self

    def limit_of(self, principal: str, *, keys: bool) -> RateLimit:
        """Return what a principal may ask for.

        Args:
            principal: who.
            keys: whether callers show keys; without them there is one caller, the user of this machine, who is not limited
                by a file that says nothing.
        """
        named = {limit.principal: limit.rate_limit for limit in self.limits}
        otherwise = CallerLimit().rate_limit if keys else RateLimit()
        return named.get(principal) or named.get(EVERYBODY_ELSE) or otherwise


def read_settings(home: Home) -> ServiceSettings:
    """Return what the file of a home says; the defaults where there is none.

    Raises:
        InvalidInput: it cannot be read, or a field is unknown or wrong; names file, line and field.
    """
    path = home.service_settings
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ServiceSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"the settings of the service cannot be read: {getattr(error, 'strerror', None) or error}",
            remedy="Make it a text file that this user may read, or remove it for the defaults.",
            file=str(path),
        ) from None
    if not text.strip():
        return ServiceSettings()
    data, lines = read_mapping(text, file=str(path))
    try:
        found = ServiceSettings.model_validate(data)
    except ValidationError as error:
        finding = first_finding(error, data, ServiceSettings)
        where = ".".join(finding.path) or None
        raise InvalidInput(
            finding.problem, remedy=finding.remedy, file=str(path), line=find_line(where, lines), field=where
        ) from None
    if found.tokens is None or "://" in found.tokens.jwks:
        return found
    # A path is one in the home, wherever the service was started.
    tokens = found.tokens.model_copy(update={"jwks": str(home.path / found.tokens.jwks)})
    return found.model_copy(update={"tokens": tokens})
