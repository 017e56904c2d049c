"""Playhead as the client that the protocol's own conformance suite drives.

    conformance_client.py URL

The suite names its scenario in MCP_CONFORMANCE_SCENARIO, and gives what a client must know about it
in MCP_CONFORMANCE_CONTEXT (JSON). Every tool is called once, and every question is accepted.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from playhead import Agent, Runtime, mcp
from playhead.records import ApprovalRequested
from playhead.testing import ScriptedModel, call
from playhead.tools.mcp.server import McpServer

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
ECHO = "json_schema_echo"
ARGUMENTS: dict[str, Any] = {"string": "x", "number": 1, "integer": 1, "boolean": True}


class Kept(TokenStorage):
    """Tokens in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """A person who agrees at once: the suite's authorization server redirects without a page."""

    def __init__(self) -> None:
        self.back = ""

    async def go(self, url: str) -> None:
        async with httpx2.AsyncClient() as client:
            self.back = (await client.get(url)).headers["location"]

    async def answer(self) -> AuthorizationCodeResult:
        given = {name: values[0] for name, values in parse_qs(urlsplit(self.back).query).items()}
        return AuthorizationCodeResult(
            code=given["code"], state=given.get("state"), iss=given.get("iss")
        )


def authorized(url: str) -> httpx2.Auth:
    browser, kept = Browser(), Kept()
    metadata = OAuthClientMetadata(
        client_name="playhead", redirect_uris=[AnyUrl("http://localhost:3000/callback")],
        grant_types=["authorization_code", "refresh_token"], response_types=["code"],
    )  # fmt: skip
    if "client_id" in CONTEXT:
        kept.client = OAuthClientInformationFull(
            client_id=CONTEXT["client_id"], client_secret=CONTEXT.get("client_secret"),
            redirect_uris=metadata.redirect_uris, token_endpoint_auth_method="client_secret_basic",
        )  # fmt: skip
    return OAuthClientProvider(
        url, metadata, kept, browser.go, browser.answer,
        client_metadata_url="https://conformance-test.local/client-metadata.json",
    )  # fmt: skip


def wishes(server: McpServer) -> list[Any]:
    """What the suite asks to be called, or each tool once."""
    tools = [each.spec for each in server.tools]
    if SCENARIO == "json-schema-2020-12-preservation":
        [focal] = [each for each in server.listed.values() if each.name != ECHO]
        return [call(ECHO, schema=focal.input_schema)]
    named = {each.original or each.name: each.name for each in tools}
    wanted = [
        (one["name"], {n: v for n, v in one["arguments"].items() if v is not None})
        for one in CONTEXT.get("toolCalls", ())
    ]
    for each in [] if wanted else tools:
        properties: dict[str, Any] = cast("Any", each.input_schema.get("properties", {}))
        given: dict[str, Any] = {
            n: ARGUMENTS.get(str(p.get("type")), "x") for n, p in properties.items()
        }
        wanted.append((each.original or each.name, given))
    return [call(named[name], **given) for name, given in wanted if name in named]


def main(url: str) -> None:
    auth = authorized(url) if SCENARIO.startswith("auth/") else None
    server = mcp(url, name="conformance", auth=auth, timeout=30)
    server.connect()
    script = [*([each] for each in wishes(server)), "done"]
    agent = Agent(name="conformance", model=ScriptedModel(script), tools=[server])
    with tempfile.TemporaryDirectory() as folder, Runtime(Path(folder) / "log.db") as runtime:
        run = runtime.start(agent, "Call each tool.")
        for record in run.events():
            if isinstance(record.event, ApprovalRequested):
                run.approve(record.event.call, {})
    server.close()


if __name__ == "__main__":
    main(sys.argv[1])
