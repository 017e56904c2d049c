"""Playhead inside a program: an agent with a tool of yours and a typed answer.

python docs/examples/embed.py        (ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL)
"""

from pydantic import BaseModel

from playhead import Agent, Runtime, tool


class Rate(BaseModel):
    """What one euro buys."""

    currency: str
    per_euro: float


@tool(effect="read")
def euro_rate(currency: str) -> float:
    """Look up how much of a currency one euro buys. Never guess a rate.

    Args:
        currency: the ISO 4217 code, such as VND.
    """
    return {"USD": 1.08, "VND": 27_500.0}[currency]


agent = Agent(
    name="fx",
    instructions="You tell exchange rates. Look each of them up.",
    tools=[euro_rate],
    output=Rate,
)


def main() -> None:
    with Runtime("fx.db", agents=[agent]) as runtime:
        run = runtime.start(agent, "What is 1 EUR in VND?")
        for record in run.events():
            print(f"{record.seq:3} {record.actor:9} {record.event.kind}")
        result = run.wait()
    rate: Rate = result.output
    print(f"1 EUR = {rate.per_euro:g} {rate.currency}, for {result.usage.total} tokens")


if __name__ == "__main__":
    main()
