"""Pages as HTML: escaped by default, and with headers that let a browser load nothing from elsewhere.

One page has a script, which is a file of ours with a nonce of its answer: nothing else that could get into a page is run.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.service.problem_documents import as_sentence

_HTML: Final = "text/html; charset=utf-8"
#: What a browser may do with a page: show it with its own style, and send its forms here.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: What a browser may do with a report: show it, with the style that it contains.
REPORT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def page(name: str, *, http_status: int = 200, **values: Any) -> Response:
    """Return a page.

    Args:
        name: of its template.
        http_status: of the answer.
        values: that the template shows.
    """
    text = _environment().get_template(f"{name}.html.j2").render(**values)
    return Response(text, status_code=http_status, media_type=_HTML, headers=HEADERS)


def page_with_script(name: str, **values: Any) -> Response:
    """Return a page that may run the one script and ask this service for news; arguments as for `page`."""
    nonce = secrets.token_urlsafe(16)
    answer = page(name, nonce=nonce, **values)
    answer.headers["content-security-policy"] += f"; script-src 'nonce-{nonce}'; connect-src 'self'"
    return answer


def report_page(text: str) -> Response:
    """Return a report, which is a whole page of its own."""
    headers = {**HEADERS, "content-security-policy": REPORT_SECURITY_POLICY}
    return Response(text, media_type=_HTML, headers=headers)


def style() -> Response:
    """Return the style of all pages."""
    return _file("pages.css", "text/css; charset=utf-8")


def script() -> Response:
    """Return the script of the page of an experiment."""
    return _file("experiment.js", "text/javascript; charset=utf-8")


def _file(name: str, media_type: str) -> Response:
    text = files("qhybrid_pipelines.service.pages").joinpath("templates", name).read_text("utf-8")
    return Response(text, media_type=media_type, headers={**HEADERS, "cache-control": "max-age=3600"})


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("qhybrid_pipelines.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    found.filters |= {
        "dollars": dollars,
        "seconds": seconds,
        "ago": ago,
        "moment": moment,
        "words": words,
        "sentence": as_sentence,
    }
    return found


def dollars(usd: float | None) -> str:
    """Return an amount of money, or a dash where nobody knows."""
    if usd is None:
        return "\N{EN DASH}"
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.6f}"


def seconds(value: float | None) -> str:
    """Return seconds in the unit that fits."""
    if value is None:
        return "\N{EN DASH}"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s"


def ago(at: str) -> str:
    """Return how long ago a time was."""
    passed = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
    return f"{seconds(passed)} ago"


def moment(at: str) -> str:
    """Return a time in UTC, to the second."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def words(state: str) -> str:
    """Return a state in words."""
    return state.replace("_", " ").lower()


def _shown(value: Any) -> Any:
    """Make what others wrote harmless to read; markup is escaped elsewhere."""
    return printable(value) if type(value) is str else value
