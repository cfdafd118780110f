"""Callers who show a token of another issuer: a JSON Web Token (RFC 7519) as OAuth's resource servers take it (RFC 9068, 8725).

The service issues no tokens. What a token may be signed by is fixed here and in the settings, and never what the token itself says;
only public keys are used, so that nobody can sign with what everybody may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.service.access.api_keys import PRINCIPAL
from qhybrid_pipelines.service.access.callers import SCOPES, Authenticator, Caller
from qhybrid_pipelines.service.access.token_keys import KeysUnreachable, TokenKeys
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

if TYPE_CHECKING:
    from qhybrid_pipelines.service.access.settings import TokenSettings

#: By how much the clocks of issuer and service may differ.
LEEWAY_SECONDS = 60
_REQUIRED = ("exp", "iss", "aud", "sub")
#: How the keys of this service begin; everything else is taken for a token.
KEY_PREFIX = "qh_"


class TokenAuthenticator:
    """Lets in who shows a token that is in force, or a key where there are keys.

    Args:
        settings: of the issuer.
        keys: who may come in by a key; None where nobody may.

    Raises:
        InvalidInput: the issuer's keys cannot be used.
    """

    def __init__(self, settings: TokenSettings, keys: Authenticator | None) -> None:
        self._settings, self._keys = settings, keys
        self._token_keys = TokenKeys(settings.jwks, settings.algorithms)

    @property
    def is_open(self) -> bool:
        """No: everybody needs a token or a key."""
        return False

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent a request with this header.

        Raises:
            ProblemError: 401; or 503, the issuer's keys cannot be read.
        """
        scheme, _, shown = (authorization or "").partition(" ")
        shown = shown.strip()
        if self._keys is not None and (shown.startswith(KEY_PREFIX) or not shown):
            return self._keys.caller(authorization)
        if not shown or scheme.lower() != "bearer":
            raise _unauthorised("No token was sent.", error=None)
        return self._caller_of(self._claims(shown))

    def _claims(self, token: str) -> Mapping[str, Any]:
        """Return what a token says, once everything about it is right."""
        import jwt

        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            kind = str(header.get("typ", "")).lower().removeprefix("application/")
            if header.get("alg") not in settings.algorithms or kind not in settings.types or "crit" in header:
                raise jwt.InvalidTokenError
            key = self._token_keys.find(header.get("kid"))
            if key is None or key.algorithm_name != header["alg"]:
                raise jwt.InvalidTokenError
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[header["alg"]],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_REQUIRED)},
            )
        except KeysUnreachable:
            raise _keys_unreachable() from None
        except jwt.ExpiredSignatureError:
            raise _unauthorised("This token has expired.", error="invalid_token") from None
        except (jwt.PyJWTError, ValueError, TypeError):  # whoever forges one is not told how
            raise _unauthorised("This token is not valid here.", error="invalid_token") from None
        return claims

    def _caller_of(self, claims: Mapping[str, Any]) -> Caller:
        principal = claims.get(self._settings.principal_claim)
        if not isinstance(principal, str) or not PRINCIPAL.fullmatch(principal):
            raise _unauthorised(
                f"The token's {self._settings.principal_claim!r} is not a name that a principal may have here.",
                error="invalid_token",
            )
        given = claims.get(self._settings.scope_claim, "")
        words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        prefix = self._settings.scope_prefix
        scopes = {word.removeprefix(prefix) for word in words if isinstance(word, str) and word.startswith(prefix)}
        return Caller(principal=principal, scopes=frozenset(scopes & SCOPES.keys()))


def _unauthorised(detail: str, *, error: str | None) -> ProblemError:
    return ProblemError(
        Problem(
            status=401,
            code="unauthorised",
            detail=detail,
            remedy="Send Authorization: Bearer with a token in force of the issuer that this service trusts.",
            field="Authorization",
            headers={"www-authenticate": "Bearer" + (f' error="{error}"' if error else "")},
        )
    )


def _keys_unreachable() -> ProblemError:
    return ProblemError(
        Problem(
            status=503,
            code="not-ready",
            detail="The keys of the token's issuer cannot be read now.",
            remedy="Send the same request again in a moment.",
            retry_after_seconds=2,
        )
    )
