"""The Message Batches API over real HTTP: batches end when the test says so.

    with BatchesApi([text("Done.")]) as api:
        ...
        api.end()

It refuses what the API refuses: custom ids of another form or given twice, parameters that the
Messages API would refuse, results of a batch that has not ended.
"""

import json
import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.messages_api import Block
from tests.support.strict_api import refused

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
BATCHES = "/v1/messages/batches"


class Refused(Exception):
    """An answer of 4xx."""

    def __init__(self, status: int, kind: str, why: str) -> None:
        super().__init__(why)
        self.status, self.kind = status, kind


class BatchesApi:
    """The server; `replies` answer the requests in the order of their submission."""

    def __init__(self, replies: Sequence[Block | dict[str, Any]]) -> None:
        self.replies = list(replies)
        """A block, or a whole result (`{"type": "errored", ...}`)."""
        self.batches: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        self.cut = False
        """Whether a batch is made, and the connection closed before the answer."""
        self.refuses: list[int] = []
        """Statuses with which the next cancels are answered."""
        self.ends_on_cancel = False
        """Whether a batch ends just before its cancel arrives."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "BatchesApi":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def end(self) -> None:
        """All batches end now."""
        with self._lock:
            for batch in self.batches.values():
                batch["processing_status"] = "ended"
                batch["results_url"] = f"{self.url}{BATCHES}/{batch['id']}/results"

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        path, _, query = path.partition("?")
        with self._lock:
            if method == "POST" and path == BATCHES:
                return json.dumps(self.made(json.loads(body))).encode()
            if path == BATCHES:
                return json.dumps(self._listed(query)).encode()
            name, _, rest = path.removeprefix(BATCHES + "/").partition("/")
            if name not in self.batches:
                raise Refused(404, "not_found_error", f"no batch {name}")
            if method == "POST" and rest == "cancel":
                return json.dumps(self.cancelled(name)).encode()
            if not rest:
                return json.dumps(self.batches[name]).encode()
            if self.batches[name]["processing_status"] != "ended":
                raise Refused(404, "not_found_error", "the batch has not ended")
            return b"".join(json.dumps(each).encode() + b"\n" for each in self.results(name))

    def made(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new batch."""
        ids = [each["custom_id"] for each in body["requests"]]
        if body.keys() != {"requests"} or not ids or len(set(ids)) < len(ids):
            raise Refused(400, "invalid_request_error", "requests: custom_id must be unique")
        for each in body["requests"]:
            why = refused({**each["params"], "stream": True})
            if not CUSTOM_ID.fullmatch(each["custom_id"]) or "stream" in each["params"] or why:
                raise Refused(400, "invalid_request_error", str(why))
        number = len(self.batches) + 1
        made: dict[str, Any] = {
            "id": f"msgbatch_{number}", "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": {
                "processing": len(ids), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0,
            },
            "created_at": datetime.now(UTC).isoformat(), "expires_at": "2090-01-01T00:00:00Z",
            "ended_at": None, "archived_at": None, "cancel_initiated_at": None,
            "results_url": None,
        }  # fmt: skip
        self.batches[made["id"]] = made
        self.requests[made["id"]] = body["requests"]
        return made

    def cancelled(self, name: str) -> dict[str, Any]:
        """A batch that is asked to end: it is `canceling` until the test lets it end."""
        batch = self.batches[name]
        if self.refuses:
            status = self.refuses.pop(0)
            kind = "permission_error" if status == 403 else "api_error"
            raise Refused(status, kind, "the cancel failed")
        if self.ends_on_cancel:
            batch["processing_status"] = "ended"
        if batch["processing_status"] == "ended":
            raise Refused(400, "invalid_request_error", f"batch {name} has ended")
        now = datetime.now(UTC).isoformat()
        batch.update(processing_status="canceling", cancel_initiated_at=now)
        return batch

    def _listed(self, query: str) -> dict[str, Any]:
        newest = list(reversed(self.batches.values()))
        given = dict(each.split("=") for each in query.split("&") if each)
        names = [batch["id"] for batch in newest]
        begin = names.index(given["after_id"]) + 1 if "after_id" in given else 0
        page = newest[begin : begin + 1]  # small pages, so that they are followed
        return {
            "data": page, "has_more": begin + 1 < len(newest),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }  # fmt: skip

    def results(self, name: str) -> list[dict[str, Any]]:
        """What became of a batch's requests."""
        number = list(self.batches).index(name)
        given = self.replies[number]
        if given["type"] in ("errored", "expired", "canceled"):
            result = dict(given)
        else:
            message = {
                "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "stub",
                "content": [given], "stop_sequence": None,
                "stop_reason": "tool_use" if given["type"] == "tool_use" else "end_turn",
                "usage": {
                    "input_tokens": 1000, "output_tokens": 100, "service_tier": "batch",
                    "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                },
            }  # fmt: skip
            result = {"type": "succeeded", "message": message}
        return [{"custom_id": each["custom_id"], "result": result} for each in self.requests[name]]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, kind = 200, "application/json"
                try:
                    answer = api.answer(self.command, self.path, body)
                except Refused as error:
                    status = error.status
                    told = {"type": error.kind, "message": str(error)}
                    answer = json.dumps({"type": "error", "error": told}).encode()
                if api.cut and self.command == "POST":
                    api.cut = False
                    self.close_connection = True
                    return
                if self.path.endswith("/results"):
                    kind = "application/x-jsonl"
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = handle_any  # noqa: N815 - the names of the standard library

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002
                pass

        return Handler
