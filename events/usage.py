"""What a model call used, as every provider's client reports it, and the text of a reply."""

from playhead.events.event import Block, Data


class Tokens(Data):
    """Tokens as the API counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    """Part of cache_creation_input_tokens: tokens kept for an hour."""

    @property
    def input_total(self) -> int:
        """All input tokens."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens


class Iteration(Tokens):
    """One of several passes of models behind one reply, as the API lists them."""

    type: str
    """message, fallback_message, compaction, advisor_message..."""
    model: str | None = None
    """The model that was used, if the API names it; otherwise the one that was asked."""

    @property
    def in_total(self) -> bool:
        """Whether its tokens are part of the reply's own counts, not in addition to them."""
        return self.type in ("message", "fallback_message")


class Usage(Tokens):
    """What one model call used. The token fields are the reply's own counts."""

    thinking_tokens: int = 0
    """Part of output_tokens: thinking tokens."""
    web_search_requests: int = 0
    """Searches made by the API."""
    code_executions: int = 0
    """Programs run by the API."""
    rates: tuple[str, ...] = ()
    """Special rates that apply to its tokens: `batch`, `fast`, `us` (see Price)."""
    iterations: tuple[Iteration, ...] = ()
    """The passes behind the reply. Tokens of compaction and of an advisor are only counted here."""

    @property
    def total(self) -> int:
        """All input and output tokens, including those counted in `iterations` only."""
        own, listed, beside = self.input_total + self.output_tokens, 0, 0
        for each in self.iterations:
            tokens = each.input_total + each.output_tokens
            if each.in_total:
                listed += tokens
            else:
                beside += tokens
        return max(own, listed) + beside


def text_of(content: tuple[Block, ...] | list[Block]) -> str:
    """The text of a message's content; other blocks are skipped."""
    return "".join(str(b.get("text", "")) for b in content if b.get("type") == "text")
