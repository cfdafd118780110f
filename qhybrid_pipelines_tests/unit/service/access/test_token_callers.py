"""Tokens of another issuer, made by the library that its issuer would use: what is in force lets in, everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.access.api_keys import KeyAuthenticator, KeyFile
from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.access.settings import TokenSettings
from qhybrid_pipelines.service.access.token_callers import LEEWAY_SECONDS, TokenAuthenticator
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.unit.service.access.test_api_keys import NOW

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((algorithm for base, algorithm in kinds.items() if isinstance(key, base)), OKPAlgorithm)
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, **more}


KEY_SET = {
    "keys": [
        jwk(RSA_KEY, "r1"),
        jwk(RSA_KEY, "p1", alg="PS256"),
        jwk(EC_KEY, "e1"),
        jwk(ED_KEY, "o1"),
        jwk(SHORT_RSA_KEY, "short"),
        jwk(RSA_KEY, "enc", use="enc"),
        {"kty": "oct", "kid": "secret", "alg": "HS256", "k": base64.urlsafe_b64encode(b"x" * 32).decode()},
        {"kty": "future", "kid": "x"},
    ]
}


def settings(jwks: str, **more: Any) -> TokenSettings:
    fields = {"algorithms": ["RS256", "PS256", "ES256", "EdDSA"], **more}
    return TokenSettings.model_validate({"issuer": "https://id.example", "audience": "qhybrid", "jwks": jwks, **fields})


class SecondsFromNow(NamedTuple):
    """A time in a claim, counted from when the test runs: what was collected may run half an hour later."""

    seconds: float


@pytest.fixture
def authenticator(tmp_path) -> TokenAuthenticator:
    (tmp_path / "jwks.json").write_text(json.dumps(KEY_SET))
    return TokenAuthenticator(settings(str(tmp_path / "jwks.json")), None)


def token(
    key: Any = RSA_KEY, kid: str | None = "r1", algorithm: str = "RS256", header: dict[str, Any] | None = None, **claims
) -> str:
    now = time.time()
    fields = {"iss": "https://id.example", "aud": "qhybrid", "sub": "ada", "exp": now + 60, "iat": now}
    fields |= {"scope": "read submit offline_access", **claims}
    fields = {name: value for name, value in fields.items() if value is not None}
    headers = {"typ": "at+jwt", **({} if kid is None else {"kid": kid}), **(header or {})}
    return jwt.PyJWS().encode(json.dumps(fields).encode(), key, algorithm=algorithm, headers=headers)


def refused(authenticator: TokenAuthenticator, shown: str, scheme: str = "Bearer") -> str:
    with pytest.raises(ProblemError) as error:
        authenticator.caller(f"{scheme} {shown}")
    problem = error.value.problem
    assert (problem.status, problem.code) == (401, "unauthorised")
    assert problem.headers["www-authenticate"].startswith("Bearer")
    return problem.detail


@pytest.mark.parametrize(
    ("key", "kid", "algorithm"),
    [(RSA_KEY, "r1", "RS256"), (RSA_KEY, "p1", "PS256"), (EC_KEY, "e1", "ES256"), (ED_KEY, "o1", "EdDSA")],
)
def test_a_token_lets_its_principal_in_with_the_scopes_that_there_are(authenticator, key, kid, algorithm):
    found = authenticator.caller(f"Bearer {token(key, kid, algorithm)}")
    assert found == Caller(principal="ada", scopes=frozenset({"read", "submit"}))


def test_what_is_known_otherwise_may_be_said_otherwise(tmp_path):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk(EC_KEY, "e1")]}))
    asked = settings(
        str(tmp_path / "jwks.json"),
        types=["jwt", "at+jwt"],
        principal_claim="client_id",
        scope_claim="scp",
        scope_prefix="qhybrid:",
    )
    authenticator = TokenAuthenticator(asked, None)
    shown = token(
        EC_KEY,
        None,  # the only key need not be named
        "ES256",
        {"typ": "application/at+jwt"},
        client_id="robot-7",
        scp=["qhybrid:read", "submit", 3],
        aud=["other", "qhybrid"],
        sub="somebody",
    )
    assert authenticator.caller(f"bearer {shown}") == Caller(principal="robot-7", scopes=frozenset({"read"}))
    assert authenticator.caller(f"bearer {token(EC_KEY, 'e1', 'ES256', {'typ': 'JWT'}, client_id='b')}").scopes == set()


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": SecondsFromNow(-LEEWAY_SECONDS - 5)},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": SecondsFromNow(LEEWAY_SECONDS + 60)},
        {"iat": SecondsFromNow(LEEWAY_SECONDS + 60)},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://id.example/"},
        {"iss": "https://id.exampl"},
        {"iss": ["https://id.example"]},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "two words"},
        {"sub": "../ada"},
        {"sub": "a" * 65},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_or_missing_is_refused(authenticator, changed):
    assert authenticator.caller(f"Bearer {token()}")
    now = time.time()
    claims = {
        name: now + claim.seconds if isinstance(claim, SecondsFromNow) else claim for name, claim in changed.items()
    }
    refused(authenticator, token(**claims))


def test_an_expired_token_is_called_so(authenticator):
    assert "expired" in refused(authenticator, token(exp=time.time() - 3600))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: token(OTHER_RSA_KEY),
        lambda: token(OTHER_RSA_KEY, "unknown"),
        lambda: token(RSA_KEY, None),
        lambda: token(RSA_KEY, "e1"),
        lambda: token(RSA_KEY, "p1"),
        lambda: token(RSA_KEY, "enc"),
        lambda: token(SHORT_RSA_KEY, "short"),
        lambda: token(RSA_KEY, "r1", "RS512"),
        lambda: token("x" * 32, "secret", "HS256"),
        lambda: token(header={"typ": "JWT"}),
        lambda: token(header={"crit": ["exp"]}),
        lambda: token(header={"typ": None}),
        lambda: token(OTHER_RSA_KEY, header={"jwk": jwk(OTHER_RSA_KEY, "r1")}),
        lambda: token(OTHER_RSA_KEY, header={"jku": "http://127.0.0.1:1/jwks"}),
        lambda: token()[:-4] + "AAAA",
        lambda: token() + ".x",
        lambda: token().rpartition(".")[0] + ".",
        lambda: "a.b.c",
        lambda: "é" * 10,
        lambda: "." * 5000,
    ],
)
def test_what_is_foreign_or_forged_is_refused(authenticator, make):
    refused(authenticator, make())


def _part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "hs256", "", None, 5])
@pytest.mark.parametrize("secret", [PUBLIC_PEM, json.dumps(KEY_SET["keys"][0]).encode(), b""])
def test_nobody_signs_with_nothing_or_with_what_everybody_may_read(authenticator, algorithm, secret):
    claims = jwt.decode(token(), options={"verify_signature": False})
    signed = f"{_part({'alg': algorithm, 'typ': 'at+jwt', 'kid': 'r1'})}.{_part(claims)}"
    for signature in (hmac.new(secret, signed.encode(), hashlib.sha256).digest(), b""):
        refused(authenticator, f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


def test_keys_go_on_letting_in_beside_tokens(tmp_path):
    home = Home(tmp_path / "home").make()
    keys = KeyFile(home)
    key = keys.create("bob", ["read"], days=9, environment="dev", now=NOW)[0]
    (tmp_path / "jwks.json").write_text(json.dumps(KEY_SET))
    both = TokenAuthenticator(settings(str(tmp_path / "jwks.json")), KeyAuthenticator(keys))
    assert both.caller(f"Bearer {key}").principal == "bob"
    assert both.caller(f"Bearer {token()}").principal == "ada"
    refused(both, key[:-1] + ("0" if key[-1] != "0" else "1"))
    refused(both, "")
    only_tokens = TokenAuthenticator(settings(str(tmp_path / "jwks.json")), None)
    refused(only_tokens, key)
    refused(only_tokens, token(), scheme="Basic")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"keys": []}', b'{"keys": 3}', b"\xff", json.dumps({"keys": KEY_SET["keys"][4:]})]
)
def test_a_file_without_a_key_that_can_be_used_is_refused_at_the_start(tmp_path, content):
    path = tmp_path / "jwks.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidInput) as error:
        TokenAuthenticator(settings(str(path)), None)
    assert (error.value.file, error.value.field) == (str(path), "tokens.jwks")
