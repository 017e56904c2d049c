"""Who has to answer is told in a chat, through an incoming webhook (Slack, Mattermost, Teams...).

CHAT_WEBHOOK=https://hooks.chat.example/... python -m docs.examples.notify_chat
"""

import json
import os
import urllib.request
from collections.abc import Callable
from typing import Any

from playhead import Agent, Notice, Notify, Runtime, tool


def chat(webhook: str) -> Callable[[Notice], None]:
    """The hook: one message for each notice. What it raises is tried again later."""

    def send(notice: Notice) -> None:
        body: dict[str, Any] = {"text": f"{notice.subject}\n>{notice.goal}\n```{notice.what}```"}
        if notice.to is not None:
            body["text"] = f"{notice.to} {body['text']}"
        if notice.link is not None:
            body["text"] += f"\n<{notice.link}|Answer>"
        request = urllib.request.Request(
            webhook,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Idempotency-Key": notice.key},
        )
        with urllib.request.urlopen(request, timeout=30):  # raises for 4xx and 5xx
            pass

    return send


@tool(approval=True)
def deploy(version: str) -> str:
    """Deploy a version.

    Args:
        version: Its number.
    """
    return f"{version} is deployed"


if __name__ == "__main__":
    notify = Notify(
        tell=chat(os.environ["CHAT_WEBHOOK"]),
        assignee="@oncall",
        remind=[900, 1800],
        escalate=[(3600, "@head-of-ops")],
        link="https://desk.example/runs/{run}",
    )
    with Runtime("ops.db", notify=notify) as runtime:
        print(runtime.run(Agent(name="ops", tools=[deploy]), "Deploy 2.4.1.").answer)
