"""The local model's child process: llama.cpp's server, until standard input ends.

It runs separately so that a crash in native code is a failed call and not a dead runtime. It ends
with its parent, even if the parent is killed: the pipe that is its standard input then closes.
"""

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

from playhead.tools.models.local.chat_template import CHAT_TEMPLATE

CONTEXT_TOKENS = 16384
SLOTS = 2


def serve(weights: str) -> NoReturn:
    """Serve on a free local port; print `READY http://host:port` once the weights are loaded.

    The first line of standard input is the key that requests must carry.
    """
    llama: Any = import_module("xllamacpp")  # untyped, and only installed with playhead[local]
    params = llama.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [sys.stdin.readline().strip()]
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = SLOTS
    # Generating on all cores is no faster and starves the program; reading the prompt is short.
    cores = os.cpu_count() or 1
    params.cpuparams.n_threads = min(max(cores // 2, 1), 4)
    params.cpuparams_batch.n_threads = min(cores, 4)
    params.use_jinja = True  # without it the server leaves tools out of the prompt
    params.chat_template = CHAT_TEMPLATE
    server = llama.Server(params)
    print("READY", server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()
    os._exit(0)  # the server's own threads would hold the process


if __name__ == "__main__":
    serve(sys.argv[1])
