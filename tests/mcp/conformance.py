"""The protocol's own conformance suite, against Playhead as a client and as a server.

    python -m tests.mcp.conformance NODE_FOLDER

NODE_FOLDER holds `node` and the suite, installed by npm (`make conformance`). The suite's scenarios
for servers that need a tool, prompt or resource of its own example server are left out: Playhead's
server offers a log and agents. Sampling and roots are not offered, and no extension is.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from playhead import Agent, Runtime
from playhead.testing import ScriptedModel
from tests.house.sources import ROOT

CLIENT = Path(__file__).with_name("conformance_client.py")

SERVER = (
    "server-initialize", "server-session-lifecycle", "ping", "tools-list",
    "dns-rebinding-protection", "caching", "http-header-validation",
)  # fmt: skip
"""Those that need nothing of the suite's example server."""

SECONDS = 90


class Suite:
    """The suite's command, and what it found."""

    def __init__(self, folder: Path) -> None:
        suite = folder / "node_modules" / "@modelcontextprotocol" / "conformance"
        self._command = [str(folder / "node_modules/.bin/node"), str(suite / "dist/index.js")]
        self.failed = list[str]()

    def client_scenarios(self) -> list[str]:
        """The names of the scenarios for clients, without those of extensions."""
        listed = self._run("list").stdout
        lines = listed.partition("Client scenarios")[2].partition("Authorization")[0].splitlines()
        return [line.split()[1] for line in lines if line.startswith("  - ") and "[ext" not in line]

    def client(self, scenario: str) -> None:
        """Drive our client through a scenario."""
        command = f"{sys.executable} {CLIENT}"
        self._judge("client", "--command", command, "--scenario", scenario)

    def server(self, scenario: str, url: str) -> None:
        """Ask our server what a scenario asks."""
        self._judge("server", "--url", url, "--scenario", scenario)

    def _judge(self, side: str, *words: str) -> None:
        done = self._run(side, *words)
        name = f"{side} {words[-1]}"
        sys.stdout.write(f"{'passed' if done.returncode == 0 else 'FAILED'}  {name}\n")
        sys.stdout.flush()
        if done.returncode != 0:
            self.failed.append(name)
            sys.stdout.write(done.stdout[-3000:])

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(
                [*self._command, *words], cwd=folder, env=variables, capture_output=True,
                text=True, check=False, timeout=SECONDS,
            )  # fmt: skip


def serve(suite: Suite) -> None:
    """Every scenario for servers, against a runtime's server over HTTP."""
    agent = Agent(name="helper", model=ScriptedModel(["It is 42."]))
    with tempfile.TemporaryDirectory() as folder, Runtime(Path(folder) / "log.db") as runtime:
        app = runtime.mcp_server([agent]).streamable_http_app()
        settings = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                thread.join(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            for scenario in SERVER:
                suite.server(scenario, f"http://127.0.0.1:{port}/mcp")
        finally:
            server.should_exit = True
            thread.join()


def main(folder: Path) -> int:
    """Run all of it; 1 if a scenario failed."""
    suite = Suite(folder.resolve())
    for scenario in suite.client_scenarios():
        suite.client(scenario)
    serve(suite)
    sys.stdout.write(f"failed: {', '.join(suite.failed) or 'none'}\n")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
