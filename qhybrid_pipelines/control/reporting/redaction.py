"""Taking secrets out of texts that others wrote, before they are logged.

What this package writes itself holds no secret. A vendor's message might repeat a header or a URL, so such texts go
through here: keys that this process has used, secrets of its environment that it never used, and whatever looks like a
credential beside them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from qhybrid_pipelines.execution.credentials import HIDDEN, redact

#: Names of environment variables whose value is a secret, and of those that name a file with one.
_SECRET_NAME = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_FILE)?$", re.IGNORECASE)
#: Shorter values are words that may stand in any sentence.
_SHORTEST = 6
_WORD = r"\b(?:authorization|api[-_ ]?key|bearer|basic|token|password|secret)\b"
_CREDENTIALS = (
    # name: value, name=value, "name": "value", also with the scheme of a header in between
    re.compile(rf"(?i)({_WORD}[\"']?\s*[:=]\s*[\"']?(?:{_WORD}\s+)?)[^\s\"',;]{{6,}}"),
    # a header's value alone; a digit tells it from a word of the sentence
    re.compile(r"(?i)(\b(?:apikey|bearer|basic)\s+)(?=\S*\d)[^\s\"',;]{6,}"),
    # user and password of an address
    re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+(?=@)"),
)


def redact_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return ``text`` without secrets; the environment is read anew each time, because keys are rotated."""
    text = redact(text)
    for secret in sorted(_secrets(os.environ if environment is None else environment), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
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
