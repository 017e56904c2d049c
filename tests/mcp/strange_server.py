"""An MCP server over stdio for tests, whose messages the SDK would refuse as a whole."""

import json
import sys
from typing import Any

TOOLS = [
    {"name": "broken", "description": "Is not there.", "inputSchema": "nothing"},
    {
        "name": "video",
        "description": "Show a film. Use it to see one. Returns it.",
        "inputSchema": {"type": "object"},
    },
]
CONTENT = [{"type": "text", "text": "before"}, {"type": "video", "data": "AAAA"}]
ANSWERS: dict[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "strange", "version": "1"},
    },
    "tools/list": {"tools": TOOLS},
    "tools/call": {"content": CONTENT},
}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] in ANSWERS:
        answer["result"] = ANSWERS[asked["method"]]
    else:
        answer["error"] = {"code": -32601, "message": "Method not found"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
