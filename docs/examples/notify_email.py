"""Who has to answer is told by e-mail: at once, after an hour, and after four hours their lead.

SMTP_HOST=smtp.example SMTP_USER=desk SMTP_PASSWORD=... python -m docs.examples.notify_email
"""

import os
import smtplib
from collections.abc import Callable
from email.message import EmailMessage

from playhead import Agent, Notice, Notify, Runtime, tool


def emailer(
    host: str, port: int, sender: str, user: str = "", password: str = ""
) -> Callable[[Notice], None]:
    """The hook: one mail for each notice. What it raises is tried again later."""

    def send(notice: Notice) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"] = sender, notice.to or sender
        mail["Subject"] = notice.subject
        # Told twice after a crash, it has the same id: mail programs show it once.
        mail["Message-ID"] = f"<{notice.key.replace(':', '.')}@playhead>"
        answer = notice.link or f"playhead approve {notice.run} {notice.call}"
        mail.set_content(f"{notice.goal}\n\n{notice.what}\n\nAnswer here: {answer}\n")
        with smtplib.SMTP(host, port, timeout=30) as server:
            if user:
                server.starttls()
                server.login(user, password)
            server.send_message(mail)

    return send


def rule(send: Callable[[Notice], None]) -> Notify:
    """Who is told, and when."""
    return Notify(
        tell=send,
        assignee=lambda wait: "finance@shop.example" if wait.tool == "refund" else None,
        remind=[3600],
        escalate=[(4 * 3600, "lead@shop.example")],
        link="https://desk.example/runs/{run}",
    )


@tool(approval=True, approval_expires=8 * 3600)
def refund(order: int) -> str:
    """Refund an order.

    Args:
        order: The order's number.
    """
    return f"order {order} is refunded"


if __name__ == "__main__":
    send = emailer(
        os.environ["SMTP_HOST"],
        int(os.environ.get("SMTP_PORT", "587")),
        "playhead@shop.example",
        os.environ.get("SMTP_USER", ""),
        os.environ.get("SMTP_PASSWORD", ""),
    )
    with Runtime("desk.db", notify=rule(send)) as runtime:
        print(runtime.run(Agent(name="desk", tools=[refund]), "Refund order 7.").answer)
