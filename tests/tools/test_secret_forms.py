"""A secret is hidden in whatever form a tool repeats it."""

import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.event import Json
from playhead.tools.context import Secret, ToolContext
from playhead.tools.execution.secrets import SecretMask

SECRETS = ("s3cr3t-K3y/with+odd=chars&more", "Zürich ist schön 2030!", 'quo"ted\\back\nline',
           "abcdefghijklmnopqrstuvwxyz" * 8)  # fmt: skip
FORMS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "upper": str.upper,
    "lower": str.lower,
    "swapped": str.swapcase,
    "url": lambda value: quote(value, safe=""),
    "url, slashes kept": quote,
    "url, lower hex": lambda value: quote(value, safe="").lower(),
    "form": quote_plus,
    "url twice": lambda value: quote(quote(value, safe=""), safe=""),
    "every character encoded": lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
    "json": lambda value: json.dumps(value)[1:-1],
    "base64": lambda value: b64encode(value.encode()).decode(),
    "base64, no padding": lambda value: b64encode(value.encode()).decode().rstrip("="),
    "base64url": lambda value: urlsafe_b64encode(value.encode()).decode(),
    "basic auth": lambda value: b64encode(f"user:{value}".encode()).decode(),
    "one byte before and after": lambda value: b64encode(f"x{value}y".encode()).decode(),
    "two bytes before": lambda value: b64encode(f"xx{value}yyy".encode()).decode(),
    "mime": lambda value: encodebytes(f"head: {value}\n".encode()).decode(),
}


def masked(value: str) -> SecretMask:
    made = SecretMask()
    made.resolve(Secret("KEY"), ToolContext("run", 1, secrets={"KEY": value}.get))
    return made


@pytest.mark.parametrize("value", SECRETS, ids=range(len(SECRETS)))
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_hidden_in_each_form(form: str, value: str) -> None:
    said = f"before {FORMS[form](value)} after"
    found = masked(value).mask(said)
    assert isinstance(found, str)
    assert "[secret KEY]" in found
    assert found.startswith("before ")
    assert found.endswith(" after")
    around = 16  # what stands beside it stays: "user:", the line end of MIME
    assert len(found) <= len("before [secret KEY] after") + around


@given(
    st.text("abcdefghijklmnopqrstuvwxyzäöü0123456789+/%= ", min_size=8, max_size=40),
    st.sampled_from(sorted(FORMS)),
    st.text("xyz", max_size=5),
)
def test_no_secret_shows_in_any_form(value: str, form: str, around: str) -> None:
    said = FORMS[form](value)
    found = str(masked(value).mask(f"<{around}{said}{around}>"))
    assert said not in found
    assert "[secret KEY]" in found


def test_a_secret_within_another_leaves_no_rest_of_the_longer_one() -> None:
    made = masked("hunter2")
    made.resolve(Secret("LONG"), ToolContext("run", 1, secrets={"LONG": "hunter2-and-more"}.get))
    assert made.mask("hunter2-and-more, hunter2") == "[secret LONG], [secret KEY]"


def test_other_words_stay_as_they_are() -> None:
    said: Json = {"text": "100 % of c+d \\ aGVsbG8=", "list": ["hunter", 2]}
    assert masked("hunter2hunter2").mask(said) == said
