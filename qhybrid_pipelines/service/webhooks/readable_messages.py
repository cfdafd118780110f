"""Messages as people read them, in a chat and in a mail: what happened, to which job of which experiment, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.service.webhooks.messages import DISABLED, PING, UPGRADED


def one_line(fields: Mapping[str, Any]) -> str:
    """Return a message in one line, without control characters."""
    kind, data = fields["type"], fields["data"]
    if kind == PING:
        text = "qhybrid: messages about jobs come here from now on."
    elif kind == DISABLED:
        text = f"qhybrid: the endpoint {data['endpoint']} of {data['principal']} is told nothing any more: {data['reason']}"
    elif kind == UPGRADED:
        text = (
            f"qhybrid: {data['type']}: decision {data['decision']} about {data['subject']} is version {data['version']} now: "
            f"{_number(data['objective'])} by {data['source']} instead of {_number(data['previous_objective'])}"
        )
    else:
        text = f"qhybrid: {data['type']}: job {data['job']} of {data['experiment']} is {data['to_state']}"
        reason = (data.get("detail") or {}).get("error")
        text += f": {reason}" if reason else ""
    return printable(" ".join(text.split()))[:500]


def chat_line(fields: Mapping[str, Any]) -> str:
    """Return a message in one line that a chat shows as it is: no mention of a channel, no link under another name."""
    return one_line(fields).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def paragraphs(fields: Mapping[str, Any]) -> str:
    """Return a message as the text of a mail."""
    data = fields["data"]
    lines = [one_line(fields), ""]
    if fields["type"] not in {PING, DISABLED, UPGRADED}:
        lines += [
            f"Experiment:  {data['experiment']}",
            f"Job:         {data['job']}",
            f"State:       {data['to_state']}",
            f"When:        {data['at']}",
            "",
            f"More:        qhybrid jobs show {data['job']}",
            "",
        ]
    lines += [f"Message {fields['id']}: a repetition has the same number.", ""]
    return "\n".join(printable(line) for line in lines)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
