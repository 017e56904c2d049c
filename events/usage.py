"""What a model call used, and the text of a reply."""

from playhead.events.event import Block, Data


class Usage(Data):
    """Tokens of one model call, as the API counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    """Part of cache_creation_input_tokens: tokens kept for an hour."""
    thinking_tokens: int = 0
    """Part of output_tokens: thinking tokens."""
    web_search_requests: int = 0
    """Searches made by the API."""

    @property
    def input_total(self) -> int:
        """All input tokens."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    @property
    def total(self) -> int:
        """All input and output tokens."""
        return self.input_total + self.output_tokens


def text_of(content: tuple[Block, ...] | list[Block]) -> str:
    """The text of a message's content; other blocks are skipped."""
    return "".join(str(b.get("text", "")) for b in content if b.get("type") == "text")
