"""Variants of the CRM's agent for `playhead eval`: two prompts, a plan, a cheaper model.

    playhead eval crm_cases.jsonl --agent crm_evals.py:brief --against crm_evals.py:careful --k 3

No key is needed: scripts stand for the models. They follow the prompt as models do, and the cheap
one sometimes does not. `real` asks a model: the API's with a key, else a small local one.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from crm import crm

from playhead import Agent, Price
from playhead.testing import ScriptedModel, call

BRIEF = "Answer from the CRM. Be brief."
CAREFUL = (
    "Answer from the CRM. Be brief. If you have a name and no address, find the contact by "
    "search_contacts first. Change a score only when you are asked to. If nobody is found, say: "
    "there is no contact."
)
PRICES = {"large": Price(input=3.0, output=15.0), "small": Price(input=0.8, output=4.0)}


def obey(body: Mapping[str, Any]) -> Any:
    """Does what its prompt says: without the advice to search, it guesses addresses."""
    if "You split a goal" in json.dumps(body["system"]):
        return _plan(str(_blocks(body, "text")[-1]["text"]))
    results, goal = _results(body), _goal(body)
    if not body.get("tools"):  # the plan's last step: what was found stands in its text
        return _found(_text(body))
    address = re.search(r"[\w.]+@example\.com", f"{goal} {' '.join(results)}", re.IGNORECASE)
    if address is None and not results:
        if "search_contacts" in json.dumps(body["system"]):
            return call("search_contacts", name=_name(goal).split()[-1])
        return call("get_contact_by_email", email=f"{_name(goal).replace(' ', '.')}@example.com")
    if "set the score" in goal.lower() and address is not None and not _updated(results, goal):
        score = int(re.findall(r"\d+", goal)[-1])
        return call("update_lead_score", email=_clean(address[0]), score=score)
    if not results and address is not None:
        return call("get_contact_by_email", email=_clean(address[0]))
    return _found(results[-1])


def _found(text: str) -> str:
    contact = re.search(r"\{[^{}]*lead_score[^{}]*\}", text.replace("\\", ""))
    return "There is no contact of that name." if contact is None else contact[0]


def hurry(body: Mapping[str, Any]) -> Any:
    """As `obey`, but one goal in five it answers without looking."""
    if not _results(body) and sha256(_goal(body).encode()).digest()[0] % 5 == 0:
        return "It is 50."
    return obey(body)


def _plan(goal: str) -> str:
    """Look, change the score if that is the goal, answer."""
    address = re.search(r"[\w.]+@example\.com", goal, re.IGNORECASE)
    if address:
        look = {"tool": "get_contact_by_email", "arguments": {"email": _clean(address[0])}}
    else:
        look = {"tool": "search_contacts", "arguments": {"name": _name(goal).split()[-1]}}
    steps: list[dict[str, Any]] = [{"id": "look", "description": "find the contact", **look}]
    if "set the score" in goal.lower():
        email = "${look.email}" if address else "${look[0].email}"
        change = {"email": email, "score": int(re.findall(r"\d+", goal)[-1])}
        steps.append(
            {"id": "change", "description": "set the score", "tool": "update_lead_score",
             "arguments": change}
        )  # fmt: skip
    last = {"id": "say", "description": "answer", "tool": "synthesize"}
    return json.dumps({"steps": [*steps, {**last, "depends_on": [steps[-1]["id"]]}]})


def _blocks(body: Mapping[str, Any], kind: str) -> list[Any]:
    return [
        block
        for message in body["messages"]
        if message["role"] == "user"
        for block in message["content"]
        if block["type"] == kind
    ]


def _text(body: Mapping[str, Any]) -> str:
    return " ".join(block["text"] for block in _blocks(body, "text"))


def _goal(body: Mapping[str, Any]) -> str:
    return str(_blocks(body, "text")[0]["text"])


def _results(body: Mapping[str, Any]) -> list[str]:
    return [json.dumps(block["content"]) for block in _blocks(body, "tool_result")]


def _name(text: str) -> str:
    found = re.findall(r"[A-Z][a-z]+ [A-Z][a-z]+", text)
    return str(found[-1]) if found else "nobody at all"


def _clean(address: str) -> str:
    return re.sub(r"[^\w.@]", "", address).strip(".").lower()


def _updated(results: list[str], goal: str) -> bool:
    return len(results) > (1 if "@" not in goal else 0)


def variant(name: str, prompt: str, script: Any = obey, **more: Any) -> Agent[Any]:
    """The CRM's agent with another prompt or model; a script stands for the model."""
    price = PRICES["small" if script is hurry else "large"]
    return Agent(
        name=name, instructions=prompt, model=ScriptedModel(script), tools=[crm],
        prices={"custom": price}, **more,
    )  # fmt: skip


brief = variant("brief", BRIEF)
careful = variant("careful", CAREFUL)
planned = variant("planned", CAREFUL, strategy="plan")
cheaper = variant("cheaper", CAREFUL, hurry)
real = Agent(name="real", instructions=CAREFUL, tools=[crm])
