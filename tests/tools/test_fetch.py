"""`fetch`: the public web and nothing else, whatever the address is made to look like."""

from collections.abc import Sequence

import pytest

from playhead.events.kinds.tool_calls import ToolFailed
from playhead.tools.builtin.address_guard import AddressGuard
from playhead.tools.builtin.fetch import fetch_tool
from playhead.tools.builtin.guarded_http import MAX_BYTES
from playhead.tools.builtin.web_search import SearxNG, search_web_tool
from playhead.tools.context import Secret, ToolContext
from tests.tools.calls import call, failure_of, result_of
from tests.tools.web_server import Answer, serving

INSIDE = {
    "inside.test": ["10.0.0.5"],
    "both.test": ["93.184.215.14", "127.0.0.1"],
    "six.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "nat.test": ["64:ff9b::7f00:1"],
    "scoped.test": ["fe80::1%eth0"],
    "empty.test": [],
}


def resolve(host: str, _: int) -> Sequence[str]:
    if host not in INSIDE:
        raise OSError(host)
    return INSIDE[host]


CLOSED = (
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/",
    "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/",
    "http://127.0.0.01/", "http://localhost/", "http://0.0.0.0/", "http://0/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://168.63.129.16/",
    "http://100.100.100.200/", "http://192.0.0.192/", "http://198.18.0.1/", "http://224.0.0.1/",
    "http://240.0.0.1/", "http://255.255.255.255/", "http://[::1]/", "http://[::]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/",
    "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fec0::1]/", "http://[ff02::1]/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://127.0.0.1./",
    "http://inside.test/", "http://both.test/", "http://six.test/", "http://mapped.test/",
    "http://metadata.test/", "http://nat.test/", "http://scoped.test/", "http://empty.test/",
    "http://good.test@127.0.0.1/", "http://user:pass@127.0.0.1/", "http://127.0.0.1#@good.test/",
    "http://127.0.0.1\\@good.test/", "http://127.0.0.1:22/", "http://93.184.215.14:22/",
    "http://93.184.215.14:6379/", "http://93.184.215.14:99999/", "http://", "http:///etc/passwd",
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1/",
    "data:text/html,hello", "javascript:alert(1)", "//127.0.0.1/", "127.0.0.1", "http://a b/",
    "http://93.184.215.14/\r\nHost: inside", "http://-bad-.test/", "http://bad..test/",
    "jar:http://127.0.0.1!/", "HTTP://LOCALHOST/", "http://xn--a.test\u2024127.0.0.1/",
)  # fmt: skip


def test_there_are_forty_of_them() -> None:
    assert len(set(CLOSED)) >= 40


@pytest.mark.parametrize("url", CLOSED)
def test_an_address_that_is_not_public_is_refused_in_words_to_act_on(url: str) -> None:
    local = {"localhost": ["127.0.0.1"]}

    def names(host: str, port: int) -> Sequence[str]:
        return local.get(host) or resolve(host, port)

    failed = failure_of(call(fetch_tool(AddressGuard(resolve=names)), url=url))
    assert failed.error == "ToolError"
    assert failed.hint


@pytest.mark.parametrize("url", CLOSED)
def test_a_redirect_there_is_refused_too(url: str) -> None:
    location = url.encode("ascii", "ignore").decode().replace("\r\n", "")
    with serving(lambda path: Answer(302, {"Location": location})) as (server, asked):
        guard = AddressGuard(allow=[server], resolve=resolve)
        outcome = call(fetch_tool(guard), url=f"http://{server}/start")
        assert isinstance(outcome, ToolFailed), outcome
        assert outcome.error == "ToolError"
    assert {each.headers["Host"] for each in asked} == {server}


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_that_is_asked() -> None:
    resolved = list[str]()

    def rebinding(host: str, port: int) -> Sequence[str]:
        resolved.append(host)
        return ["127.0.0.1"] if len(resolved) == 1 else ["10.0.0.1"]

    page = Answer(200, {"Content-Type": "text/plain"}, b"hello")
    with serving(lambda _: page) as (server, asked):
        port = int(server.partition(":")[2])
        guard = AddressGuard(allow=[f"name.test:{port}"], ports=[port], resolve=rebinding)
        found = result_of(call(fetch_tool(guard), url=f"http://name.test:{port}/"))
    assert (found["text"], resolved) == ("hello", ["name.test"])
    assert asked[0].headers["Host"] == f"name.test:{port}"


def test_html_becomes_text_and_redirects_are_followed() -> None:
    def answer(path: str) -> Answer:
        if path == "/start":
            return Answer(301, {"Location": "/end"})
        page = "<html><head><title>T</title></head><body><h1>Käse</h1><p>1 &lt; 2</p></body></html>"
        return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, page.encode())

    with serving(answer) as (server, _):
        page = result_of(
            call(fetch_tool(AddressGuard(allow=[server])), url=f"http://{server}/start")
        )
    assert page["url"].endswith("/end")
    assert page["text"].split() == ["Käse", "1", "<", "2"]
    assert page["whole"] is True


def test_a_page_that_is_too_large_is_cut_and_says_so() -> None:
    large = Answer(200, {"Content-Type": "text/plain"}, b"x" * (MAX_BYTES + 5))
    with serving(lambda _: large) as (server, _):
        page = result_of(call(fetch_tool(AddressGuard(allow=[server])), url=f"http://{server}/"))
    assert (len(page["text"]), page["whole"]) == (MAX_BYTES, False)


@pytest.mark.parametrize(
    ("answer", "message", "retry_after"),
    [
        (Answer(404), "answered 404", None),
        (Answer(429, {"Retry-After": "7"}), "answered 429", 7.0),
        (Answer(503), "answered 503", 30.0),
        (Answer(200, {"Content-Type": "image/png"}, b"png"), "is image/png, no text", None),
        (
            Answer(200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, b"x"),
            "compressed",
            None,
        ),
        (Answer(302, {"Location": "/again"}), "more than 5 redirects", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_page_is_told_as_what_it_is(
    answer: Answer, message: str, retry_after: float | None
) -> None:
    with serving(lambda _: answer) as (server, _):
        failed = failure_of(call(fetch_tool(AddressGuard(allow=[server])), url=f"http://{server}/"))
    assert message in failed.message
    assert failed.retry_after == retry_after


def test_search_web_asks_the_engine_with_its_key_and_gives_hits() -> None:
    body = b'{"results": [{"title": "T", "url": "https://e.test/", "content": "c", "score": 1}]}'
    with serving(lambda _: Answer(200, {"Content-Type": "application/json"}, body)) as (
        server,
        asked,
    ):
        search = search_web_tool(SearxNG(f"http://{server}", key=Secret("SEARCH_KEY")))
        context = ToolContext("run", 1, secrets={"SEARCH_KEY": "s3cret"}.get)
        [hit] = search.function(query="event sourcing", context=context)
    assert (hit.title, hit.url, hit.snippet) == ("T", "https://e.test/", "c")
    assert asked[0].path == "/search?q=event+sourcing&format=json"
    assert asked[0].headers["Authorization"] == "Bearer s3cret"
