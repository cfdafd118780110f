"""A key is found in every spelling in which a vendor may repeat it, before anything is cut."""

from __future__ import annotations

import base64
import html
import json
import string
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.text import redaction
from qhybrid_pipelines.core.text.redaction import HIDDEN, redact, redact_content, register_secret, vendor_text
from qhybrid_pipelines.execution.http.http_errors import error_text
from qhybrid_pipelines.execution.http.transport import HttpResponse

KEY = "zQ7-pl4nted/B+x=9&k_tR2.w"
SPELLINGS = {
    "plain": lambda key: key,
    "without its last character": lambda key: key[:-1],
    "without its first character": lambda key: key[1:],
    "its second half": lambda key: key[len(key) // 2 :],
    "hexadecimal without its first digit": lambda key: key.encode().hex()[1:],
    "hexadecimal in capitals, cut": lambda key: key.encode().hex().upper()[:-1],
    "bytes in hexadecimal": lambda key: key.encode().hex(":").upper(),
    "bytes with 0x": lambda key: ", ".join(f"0x{byte:02x}" for byte in key.encode()),
    "bytes as numbers": lambda key: str(list(key.encode())),
    "octal": lambda key: "".join(f"\\{ord(c):03o}" for c in key),
    "JavaScript": lambda key: "".join(f"\\u{{{ord(c):x}}}" for c in key),
    "UTF-16": "\0".join,
    "UTF-16 in hexadecimal": lambda key: key.encode("utf-16-le").hex(),
    "Base64 of UTF-16": lambda key: base64.b64encode(key.encode("utf-16-le")).decode(),
    "Base64 of its end": lambda key: base64.b64encode(key[1:].encode()).decode(),
    "half of it": lambda key: key[: (len(key) + 1) // 2],
    "lower case": str.lower,
    "JSON": json.dumps,
    "JSON with escaped slashes": lambda key: key.replace("/", "\\/"),
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": "".join(f"\\u{ord(c):04x}" for c in key)})),
    "Python": lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    "URL": lambda key: quote(key, safe=""),
    "URL in URL": lambda key: quote(quote(key, safe=""), safe=""),
    "every character for a URL": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "HTML": html.escape,
    "HTML in decimal": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "HTML in hexadecimal": lambda key: "".join(f"&#x{ord(c):X};" for c in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "folded": lambda key: key[:9] + "\n  " + key[9:],
    "quoted-printable": lambda key: key[:9] + "=\r\n" + key[9:],
    "Base64": lambda key: base64.b64encode(key.encode()).decode(),
    "Base64 behind one byte": lambda key: base64.b64encode(b"u" + key.encode()).decode(),
    "Base64 behind two bytes": lambda key: base64.b64encode(b"u:" + key.encode()).decode(),
    "its middle": lambda key: key[len(key) // 4 :][: (len(key) + 1) // 2],
    "its middle, as JSON": lambda key: "".join(f"\\u{ord(c):04x}" for c in middle(key)),
    "its middle in hexadecimal": lambda key: middle(key).encode().hex(),
    "Base64 of its middle": lambda key: base64.b64encode(middle(key).encode()).decode(),
    "backwards": lambda key: key[::-1],
    "backwards, its middle": lambda key: middle(key[::-1]),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "base32 in lower case, behind others": lambda key: base64.b32encode(b"key:" + key.encode()).decode().lower(),
    "Base64 for URLs": lambda key: base64.urlsafe_b64encode(b"\xff\xfe" + key.encode()).decode(),
}
#: A value that begins with one of these names a file of this machine.
TOP_FOLDERS = tuple(f"/{folder.name}/" for folder in Path("/").iterdir())

#: Ways to write a text in others, which may be put around each other.
ENCODINGS = {
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 for URLs, behind one byte": lambda text: base64.urlsafe_b64encode(b":" + text.encode()).decode(),
    "folded Base64": lambda text: base64.encodebytes(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "URL": lambda text: quote(text, safe=""),
    "JSON": lambda text: json.dumps({"echo": text}),
}


def middle(text: str) -> str:
    """Half of a text, cut at both ends."""
    return text[len(text) // 4 :][: (len(text) + 1) // 2]


@pytest.fixture(autouse=True)
def _used(monkeypatch):
    # Keys that other tests of this process have used are not hidden here.
    monkeypatch.setattr(redaction, "_known_secrets", set())
    register_secret(KEY)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_hidden(spelling):
    echoed = SPELLINGS[spelling](KEY)
    told = redact(f"invalid key {echoed} of yours", {})
    assert HIDDEN in told
    assert told.startswith("invalid key ")
    assert told.endswith(" of yours")
    if "Base64" in spelling or "base32" in spelling:  # what is left are ends that hold bits of the neighbours too
        assert len(told.replace(HIDDEN, "")) <= len("invalid key  of yours") + 6
    else:
        assert echoed[-12:-6] not in told


#: As long as an access token.
LONG_KEY = base64.urlsafe_b64encode(b"".join(sha256(b"%d" % part).digest() for part in range(26))).decode() + ".a+b/c=d"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_long_key_is_hidden_in_every_spelling(spelling):
    register_secret(LONG_KEY)
    told = redact(f"invalid key {SPELLINGS[spelling](LONG_KEY)} of yours", {})
    assert HIDDEN in told
    assert len(told.replace(HIDDEN, "")) <= len('invalid key "{\\"key\\": \\"\\"}" of yours')


def test_of_a_long_key_less_than_half_stays():
    register_secret(LONG_KEY)
    beginning = LONG_KEY[: len(LONG_KEY) // 2 - 1]
    assert redact(f"<{beginning}>", {}) == f"<{beginning}>"


def test_a_new_long_key_is_known_at_once():
    """Patterns for every character of it took two and a half seconds of a processor, in each process and for each token."""
    register_secret(LONG_KEY[::-1])
    began = time.process_time()
    redact("no key in here", {})
    assert time.process_time() - began < 1.0


@settings(deadline=None, max_examples=60)
@example("/000000000000000", "without its last character")
@example("~00000000000000a", "without its last character")
@example(".00000000000000a", "without its last character")
@example("%25%25%25%25%25%25", "plain")
@example("a%25b%25%25c%2525&amp;&amp;", "its middle")
@example("%25%25%25%25%25%25", "backwards")
@given(
    st.text(string.ascii_letters + string.digits + "+/=-_.~&%", min_size=16, max_size=60).filter(
        lambda key: not key.startswith(("~/", "./", "../", *TOP_FOLDERS))  # these are paths
    ),
    st.sampled_from(list(SPELLINGS)),
)
def test_any_key_in_any_spelling(key, spelling):
    told = redact(f"<{SPELLINGS[spelling](key)}>", {"VENDOR_API_KEY": key})
    assert key[: (len(key) + 1) // 2] not in told
    assert key[len(key) // 2 :] not in told
    assert HIDDEN in told


@pytest.mark.parametrize("outer", ENCODINGS)
@pytest.mark.parametrize("inner", ENCODINGS)
def test_a_key_is_hidden_in_one_encoding_around_another(inner, outer):
    for part in (KEY, middle(KEY), KEY[::-1]):
        echoed = ENCODINGS[outer](ENCODINGS[inner](f"apikey {part}"))
        told = redact(f"you sent <{echoed}> to us", {})
        assert HIDDEN in told
        assert told.startswith("you sent <")
        assert told.endswith("> to us")
        assert not any(ENCODINGS[inner](part)[at : at + 12] in told for at in range(len(part) - 12))


@pytest.mark.parametrize("outermost", ["Base64", "hexadecimal", "URL"])
def test_a_key_is_hidden_in_three_encodings(outermost):
    echoed = ENCODINGS[outermost](ENCODINGS["Base64"](ENCODINGS["Base64"](KEY)))
    assert redact(f"<{echoed}>", {}) == f"<{HIDDEN}>"


def test_without_decoding_a_key_that_was_encoded_twice_stays(monkeypatch):
    """The negative control, and how a part too short to give the key away is let through."""
    echoed = ENCODINGS["Base64"](ENCODINGS["Base64"](KEY))
    short = KEY[5:16]
    for told in (short, short[::-1], ENCODINGS["Base64"](ENCODINGS["base32"](short))):
        assert redact(f"<{told}>", {}) == f"<{told}>"
    monkeypatch.setattr(redaction, "decoded_texts", lambda run: ())
    assert redact(f"<{echoed}>", {}) == f"<{echoed}>"


def test_words_identifiers_numbers_and_packed_data_stay():
    for key in (
        "8f14e45fceea167a5a36dedd4bea2543",
        "9081726354",
        "sk_live_51HqLyjWDarjtT1zdp7dc",
        str(UUID(int=7**40 % 2**128)),
    ):
        register_secret(key)
    rows = [
        {
            "id": str(UUID(int=number**30 % 2**128)),
            "sha256": sha256(b"%d" % number).hexdigest(),
            "p": number / 7,
            "at": 1e9 + number,
        }
        for number in range(2000)
    ]
    packed = base64.b64encode(b"".join(sha256(b"%d" % number).digest() for number in range(5000))).decode()
    contents = [
        json.dumps(rows),
        json.dumps({"result": packed, "note": base64.b64encode(b"plain words " * 900).decode()}),
    ]
    contents += [page.read_text(encoding="utf-8") for page in (Path(__file__).parents[4] / "docs").glob("*.md")]
    assert len(contents) > 10
    for content in contents:
        assert redact_content(content.encode(), {}) == content.encode()


def test_the_folders_of_a_file_with_credentials_stay(tmp_path):
    """A variable may name a file; then its folder is not a secret, and messages name it."""
    file = tmp_path / "credentials.json"
    message = f"cannot read {tmp_path}/other.json"
    assert redact(message, {"VENDOR_CREDENTIALS": str(file)}) == message
    assert str(file) not in redact(f"cannot read {file}", {"VENDOR_CREDENTIALS": str(file)})


@pytest.mark.parametrize("length", range(240, 320))
def test_a_key_is_hidden_wherever_a_long_answer_is_cut(length):
    body = ("x" * length + KEY + "y" * 400).encode()
    for told in (
        error_text(HttpResponse(status=400, headers={}, body=body)),
        error_text(HttpResponse(status=400, headers={}, body=json.dumps({"message": body.decode()}).encode())),
        vendor_text(body.decode(), max_characters=300),
    ):
        assert KEY[:4] not in told


def test_whatever_an_adapter_forgets_is_hidden():
    ref = JobRef(provider="vendor", backend="vendor:device", provider_job_id="1")
    seen = Snapshot(ref=ref, state=JobState.FAILED, raw_status=f"failed {KEY}", message=f"{'x' * 480} {KEY}")
    for text in (seen.raw_status, seen.message, str(Rejected(f"no {KEY}")), Rejected(f"no {KEY}").message):
        assert KEY[:4] not in text


@pytest.mark.parametrize("size", [10, 20_000])
def test_contents_lose_the_key_and_nothing_else(size):
    counts = {f"{place:05b}": place / 7 for place in range(size)}
    clean = json.dumps({"counts": counts, "note": "the token expired; token: abcdefgh"}).encode()
    assert redact_content(clean, {}) is clean
    for spelling in ("plain", "JSON in JSON", "Base64 behind two bytes", "its middle", "backwards", "base32"):
        echoed = json.dumps({"counts": counts, "echo": SPELLINGS[spelling](KEY)}).encode()
        redacted = json.loads(redact_content(echoed, {}))
        assert redacted["counts"] == counts
        assert HIDDEN in redacted["echo"]


@pytest.mark.parametrize(
    "text",
    [
        *("8 qubits, 1024 shots", "the token expired", "job 5f2c-11 failed: TooManyGates", "zQ7"),
        "no access token: [Errno 111] Connect call failed",
        "no access token: [Errno -2] Name or service not known",
    ],
)
def test_other_words_stay(text):
    assert redact(text, {}) == text
    assert redact_content(text.encode(), {}) == text.encode()


@pytest.mark.parametrize("value", ["[Errno", "[Errno111]", "[Errno]x7q9", "Bearer [Errnox7q9"])
def test_what_only_begins_as_an_error_of_the_system_is_hidden(value):
    assert redact(f"token: {value} 1", {}).removesuffix(" 1").endswith(HIDDEN)
