"""Taking secrets out of texts that others wrote, before anybody cuts, keeps or shows them.

What this package writes itself holds no secret. A vendor's answer may repeat a header, a URL or a whole request, so
what comes from outside goes through here: keys that this process has used, secrets of its environment that it never
used, and whatever looks like a credential beside them. A secret is found in the spellings that programs echo it in:
as it is, in any case, backwards, with characters escaped as JSON, HTML or a URL escapes them (each by itself, also twice),
in hexadecimal, as numbers of its bytes, and in Base64 at any place of a longer text, of UTF-8 and UTF-16; also half of it,
wherever it was cut; and in base32, or in up to three encodings, one around the other.
"""

from __future__ import annotations

import base64
import html.entities
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from qhybrid_pipelines.core.text.encoded_runs import RUN, decoded_texts
from qhybrid_pipelines.core.text.printable import one_line

HIDDEN = "[hidden]"

#: Values that this process has read. A key that was rotated away stays: a late answer may still quote it.
_known_secrets: set[str] = set()
#: Names of environment variables whose value is a secret, and of those that name a file with one.
_SECRET_NAME = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_FILE)?$", re.IGNORECASE)
#: Shorter values are words that may be in any sentence; of what was used as a key a shorter one counts.
_SHORTEST, _SHORTEST_USED = 6, 4
#: A part of this many characters, and of half the secret, is hidden as well: somebody may have cut it before us.
_SHORTEST_PART = 8
#: So much of the beginning of a block is searched for, the rest is compared where that is found: patterns grow with it, and
#: to compile them for all 1,100 characters of an access token takes seconds.
_LONGEST_SEARCHED = 16
#: Encoded forms shorter than this might be in any text.
_SHORTEST_ENCODED = 8
#: Shorter than any secret, and of letters that steer nothing: most texts of a vendor's facts.
_HARMLESS = re.compile(r"[\w.:-]{0,3}", re.ASCII)
#: Larger contents are first searched for the common spellings, which takes no time, and read closely only then.
_LARGE_BYTES = 1 << 14

_WORD = r"\b(?:authorization|api[-_ ]?key|bearer|basic|token|password|secret)\b"
_CREDENTIALS = (
    # name: value, name=value, "name": "value", also with the scheme of a header in between; not what the system says instead
    re.compile(rf"(?i)({_WORD}[\"']?\s*[:=]\s*[\"']?(?:{_WORD}\s+)?)(?!\[(?:Errno|WinError) -?\d+\])[^\s\"',;]{{6,}}"),
    # a header's value alone; a digit tells it from a word of the sentence
    re.compile(r"(?i)(\b(?:apikey|bearer|basic)\s+)(?=\S*\d)[^\s\"',;]{6,}"),
    # user and password of an address
    re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+(?=@)"),
)
#: A long line may be folded between any two characters.
_FOLD = r"(?:=?(?:\r?\n|\\r|\\n)[ \t]*|\x00)?"
#: Without them, a content escapes nothing for JSON, or for a URL.
_MARKS = ("", "\\u00", "%")
#: What begins an escape; a value that has such a character may be read in several ways.
_ESCAPES = frozenset("%&\\")
#: So many encodings are taken off, one after the other.
_DEEPEST = 3
#: No way to write one character is longer, with a fold before it.
_LONGEST_ESCAPE = 80
_ENTITY_NAMES = {chr(point): name for point, name in html.entities.codepoint2name.items() if point < 128}


def register_secret(value: str) -> None:
    """Remember a value that this process has read as a key, so that `redact` knows it."""
    if len(value) >= _SHORTEST_USED:
        _known_secrets.add(value)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return ``text`` without secrets and without what looks like one; call it before the text is cut.

    Args:
        text: from a vendor, for example.
        environment: read again each time, because keys are rotated; the process's own when omitted.
    """
    return _without_credentials(text, _secrets(environment))


def _without_credentials(text: str, secrets: list[str]) -> str:
    text = _hide_secrets(text, secrets)
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def vendor_text(text: object, *, max_characters: int) -> str:
    """Return what a vendor wrote as one line without secrets and steering characters, cut only afterwards."""
    return one_line(redact(str(text)))[:max_characters]


def clean_fields(record: object, **max_characters: int) -> None:
    """Make fields of a frozen record that hold a vendor's words into `vendor_text`; None stays None."""
    for name, limit in max_characters.items():
        if (value := getattr(record, name)) is not None:
            object.__setattr__(record, name, vendor_text(value, max_characters=limit))


def clean_values(value: Any) -> Any:
    """Return what a vendor says in JSON with every text in it, names of fields too, as one line without secrets."""
    return _clean_with(value, _secrets(None))  # found once: a device's calibration has some ten thousand texts


def _clean_with(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        return value if _HARMLESS.fullmatch(value) else one_line(_without_credentials(value, secrets))
    if isinstance(value, dict):
        return {_clean_with(name, secrets): _clean_with(inner, secrets) for name, inner in value.items()}
    return [_clean_with(inner, secrets) for inner in value] if isinstance(value, list) else value


def redact_content(content: bytes, environment: Mapping[str, str] | None = None) -> bytes:
    """Return a vendor's answer without secrets; without any it is the same bytes.

    Only secrets that are known count here: a result may hold words that look like a credential's.
    """
    text = content.decode("latin-1")  # each byte is one character, so that what is not text stays as it is
    redacted = _hide_in_content(text, _secrets(environment))
    return content if redacted == text else redacted.encode("latin-1")


def _secrets(environment: Mapping[str, str] | None) -> list[str]:
    """Return what is hidden, the longest first, so that no longer one loses only its middle."""
    found = _known_secrets | set(_environment_secrets(os.environ if environment is None else environment))
    return sorted(found, key=len, reverse=True)


def _environment_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if (found := _SECRET_NAME.search(name)) is None:
            continue
        secret = _content(value) if found.group(2) else value.strip()
        if len(secret) >= _SHORTEST:
            yield secret


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _hide_in_content(text: str, secrets: list[str], depth: int = _DEEPEST) -> str:
    """Hide secrets in a text that may be a large one: it is read closely only where a first search found something."""
    if len(text) > _LARGE_BYTES and not _is_suspect(text.lower(), secrets):
        return _hide_encoded(text, secrets, depth)
    return _hide_secrets(text, secrets, depth)


def _hide_secrets(text: str, secrets: list[str], depth: int = _DEEPEST) -> str:
    for secret in secrets:
        for encoded in _encoded_forms(secret):
            text = _hide_value(text, encoded, "encoded")
        if not _is_path(secret):
            for form in ("02x", "d"):
                text = _hide_value(text, secret, form)
            text = _hide_value(text, secret[::-1])
        text = _hide_value(text, secret)
    return _hide_encoded(text, secrets, depth)


def _hide_encoded(text: str, secrets: list[str], depth: int) -> str:
    """Hide runs of letters that hold a secret once they are decoded."""
    if not depth or not secrets:
        return text

    def hide(run: re.Match[str]) -> str:
        inner = decoded_texts(run[0])
        return HIDDEN if any(_hide_in_content(text, secrets, depth - 1) != text for text in inner) else run[0]

    return RUN.sub(hide, text)


def _hide_value(text: str, value: str, form: str = "") -> str:
    """Hide a value and every part of it that gives it away, whichever of its characters are escaped."""
    patterns = _part_patterns(value, form)
    for first, block in patterns.blocks:
        parts, done, at = [], 0, 0
        while (found := block.search(text, at)) is not None:
            start, end, last = found.start(), found.end(), first + patterns.searched_length
            for pattern in patterns.after[last:]:
                if (more := _compiled(pattern).match(text, end)) is None:
                    break
                end, last = more.end(), last + 1
            begin = first
            while begin > 0:
                before, earliest = _compiled(patterns.before[begin - 1]), max(done, start - _LONGEST_ESCAPE)
                if (more := before.search(text, earliest, start)) is None:
                    break
                start, begin = more.start(), begin - 1
            at = found.start() + 1
            if last - begin < patterns.telling_length and (more := _whole_part(text, done, found.span(), patterns)):
                (start, end), begin, last = more.span(), 0, patterns.telling_length
            if last - begin >= patterns.telling_length:
                parts += [text[done:start], HIDDEN]
                done = at = end
        if parts:
            text = "".join([*parts, text[done:]])
    return text


def _whole_part(text: str, done: int, span: tuple[int, int], patterns: _PartPatterns) -> re.Match[str] | None:
    """Match a whole part around a block, where a value that holds escapes of its own can be read in several ways."""
    reach = _LONGEST_ESCAPE * patterns.telling_length
    for pattern in patterns.whole_parts:
        if found := _compiled(pattern).search(text, max(done, span[0] - reach), span[1] + reach):
            return found
    return None


def _is_path(value: str) -> bool:
    """Tell whether a variable names a file, whose folders are in every other text too: those are not hidden.

    One key in sixty-four begins with a slash, so an absolute path counts only where its first folder is there.
    """
    if value.startswith(("~/", "./", "../")):
        return True
    root, _, rest = value.partition("/")
    first = rest.split("/", 1)[0]
    return not root and first.strip(".") != "" and Path("/", first).exists()


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


class _PartPatterns(NamedTuple):
    """What finds parts of a value: beginnings of blocks of it, and what goes before and after each of its characters."""

    telling_length: int
    searched_length: int
    blocks: tuple[tuple[int, re.Pattern[str]], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    whole_parts: tuple[str, ...]


@lru_cache(maxsize=1024)
def _part_patterns(value: str, form: str) -> _PartPatterns:
    between, characters = _character_patterns(value, form)
    telling, length = _telling_lengths(value)
    searched = min(length, _LONGEST_SEARCHED)
    return _PartPatterns(
        telling_length=telling,
        searched_length=searched,
        blocks=tuple(
            (first, re.compile(between.join(characters[first : first + searched]), re.IGNORECASE))
            for first in range(0, len(characters) - length + 1, length)
        ),
        before=tuple(rf"{character}{between}\Z" for character in characters),
        after=tuple(between + character for character in characters),
        whole_parts=tuple(
            between.join(characters[first : first + telling]) for first in range(len(characters) - telling + 1)
        )
        if form == "" and _ESCAPES & set(value)
        else (),
    )


def _telling_lengths(value: str) -> tuple[int, int]:
    """Return how many characters of a value give it away, and the length of blocks of which so many always hold a whole one."""
    length = len(value)
    telling = length if _is_path(value) else min(length, max(_SHORTEST_PART, (length + 1) // 2))
    return telling, length if telling == length else (telling + 1) // 2


def _character_patterns(value: str, form: str) -> tuple[str, list[str]]:
    """Return what may stand between two characters, and a pattern for each.

    Args:
        value: a secret, or one in its ``encoded`` form, of which a letter or digit is escaped for a URL if at all.
        form: ``encoded``, or how each byte is written as a number, or nothing.
    """
    if form == "encoded":
        ways = [rf"(?:{c}|%(?:25)*{ord(c):02x})" if c.isalnum() else _spellings(c) for c in value]
        return _FOLD, ways
    if form:
        return r"[\s:,;-]{1,3}(?:0x)?", [format(byte, form) for byte in value.encode()]
    # Where a spelling cannot begin, one look at the character says so.
    return _FOLD, [rf"(?=[\\&%{re.escape(character)}])" + _spellings(character) for character in value]


def _spellings(character: str) -> str:
    """Return a pattern for a character as it is, or escaped for JSON, HTML, a URL, or in octal."""
    point, code = ord(character), f"{ord(character):02x}"
    ways = [rf"\\+u0*{code}", rf"\\+u\{{0*{code}\}}", rf"\\+x{code}", rf"\\+0*{point:o}(?!\d)", rf"%u0*{code}"]
    ways += [rf"&(?:amp;)*#0*{point};", rf"&(?:amp;)*#x0*{code};"]
    ways += ["".join(rf"%(?:25)*{byte:02x}" for byte in character.encode())]
    if not character.isalnum():
        ways.append(rf"\\+{re.escape(character)}")
    if character in _ENTITY_NAMES:
        ways.append(rf"&(?:amp;)*{_ENTITY_NAMES[character]};")
    ways.append(re.escape(character))  # last: an escape may begin with the character itself
    return rf"(?:{'|'.join(ways)})"


@lru_cache(maxsize=256)
def _encoded_forms(secret: str) -> tuple[str, ...]:
    """Return a secret in hexadecimal, and in Base64 as it is at each of the three places of a longer text; in UTF-8 and UTF-16."""
    forms = set()
    for data in (secret.encode(), secret.encode("utf-16-le")):
        forms.add(data.hex())
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
            # The first and the last character may also hold bits of what is before and behind.
            inner = encoded[(0, 2, 3)[offset] : None if (offset + len(data)) % 3 == 0 else -1]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return tuple(sorted((form for form in forms if len(form) >= _SHORTEST_ENCODED), key=len, reverse=True))


def _is_suspect(lowered: str, secrets: list[str]) -> bool:
    """Tell whether a large content in lower case has a block that betrays a secret, without reading it closely."""
    absent = {mark for mark in _MARKS if mark not in lowered}
    return any(
        spelling in lowered
        for secret in secrets
        for mark, spellings in _common_spellings(secret).items()
        if mark not in absent
        for spelling in spellings
    )


@lru_cache(maxsize=256)
def _common_spellings(secret: str) -> dict[str, tuple[str, ...]]:
    """Return blocks, in lower case, that betray a secret, by the mark that is in all of them."""
    plain, escaped, quoted = [], [], []
    for part in _blocks(secret):
        plain += [part, part[::-1]]
        quoted.append("".join(f"%{byte:02x}" for byte in part.encode()))
        # JSON, and JSON as a text in JSON
        escaped += ["".join("\\" * count + f"u{ord(character):04x}" for character in part) for count in (1, 2, 4, 8)]
    for form in _encoded_forms(secret):
        plain += _blocks(form)
    return {
        mark: tuple({spelling.lower() for spelling in spellings})
        for mark, spellings in zip(_MARKS, (plain, escaped, quoted), strict=True)
    }


def _blocks(value: str) -> list[str]:
    _, length = _telling_lengths(value)
    return [value[first : first + length] for first in range(0, len(value) - length + 1, length)]
