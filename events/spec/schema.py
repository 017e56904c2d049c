"""A question about JSON schemas that both tools and requests ask."""

from playhead.events.event import Json


def is_open(schema: Json) -> bool:
    """Whether any part of the schema allows arbitrary keys, which the API cannot enforce."""
    if isinstance(schema, list):
        return any(map(is_open, schema))
    if not isinstance(schema, dict):
        return False
    more = schema.get("additionalProperties")
    return bool(more) or more == {} or any(map(is_open, schema.values()))
