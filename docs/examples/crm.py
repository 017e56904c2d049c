"""A CRM as tools of one job each. `python crm.py` has them in process, `--mcp` as an MCP server."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from playhead import Agent, Runtime, ToolError, group, mcp, tool


class Contact(BaseModel):
    """A person that one may sell to."""

    name: str
    email: str
    lead_score: int = Field(ge=0, le=100)


CONTACTS = {
    "ada@example.com": Contact(name="Ada Lovelace", email="ada@example.com", lead_score=80),
    "alan@example.com": Contact(name="Alan Turing", email="alan@example.com", lead_score=40),
    "grace@example.com": Contact(name="Grace Hopper", email="grace@example.com", lead_score=65),
}


def search_contacts(
    name: Annotated[str, Field(min_length=2)],
    limit: Annotated[int, Field(ge=1, le=20)] = 5,
) -> list[Contact]:
    """Find contacts whose name holds a text.

    Use it when you know a name or a part of one; use get_contact_by_email when you know an address.

    Args:
        name: A part of the name, such as "love"; upper and lower case make no difference.
        limit: At most how many contacts.

    Returns:
        The contacts with name, e-mail address and lead score (0 to 100), by name.
    """
    found = [each for each in CONTACTS.values() if name.lower() in each.name.lower()]
    return sorted(found, key=lambda each: each.name)[:limit]


def get_contact_by_email(email: str) -> Contact:
    """Get one contact by its e-mail address.

    Use it when you know the address; use search_contacts when you know only a name.

    Args:
        email: The whole address, such as "ada@example.com".

    Returns:
        The contact with its name and lead score (0 to 100).
    """
    return _contact(email)


def update_lead_score(email: str, score: Annotated[int, Field(ge=0, le=100)]) -> Contact:
    """Set how likely a contact is to buy, instead of the score that it has.

    Use it after you know the contact's address; setting the same score twice does no harm.

    Args:
        email: The whole address, such as "ada@example.com".
        score: From 0 (will not buy) to 100 (wants to buy).

    Returns:
        The contact as it is now.
    """
    CONTACTS[email] = _contact(email).model_copy(update={"lead_score": score})
    return CONTACTS[email]


def _contact(email: str) -> Contact:
    found = CONTACTS.get(email.strip().lower())
    if found is None:
        msg = f"there is no contact with the address {email}"
        raise ToolError(msg, hint="Use search_contacts to find the right address.")
    return found


crm = group(
    "crm",
    tool(search_contacts, effect="read", cache=60.0, when_empty="Try a shorter part of the name."),
    tool(get_contact_by_email, effect="read"),
    tool(update_lead_score, effect="keyed", retry=3),
)

agent = Agent(name="sales", instructions="Answer from the CRM. Be brief.", tools=[crm])

served = Agent(
    name="sales",
    instructions=agent.instructions,
    tools=[mcp([sys.executable, str(Path(__file__).with_name("crm_server.py"))], name="crm")],
)

if __name__ == "__main__":
    chosen = served if "--mcp" in sys.argv else agent
    with Runtime("crm.db", [chosen]) as runtime:
        result = runtime.run(chosen, "Ada asked for a quote: set her score to 95.")
        print(result.answer)
        print("replay matches:", runtime.replay(result.run_id).matches)
