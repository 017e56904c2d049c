"""The measuring processes: `python -m tests.bench.variants NAME` serves one (see children.py)."""

import sys
from collections.abc import Mapping

from tests.bench.children import Measure, serve
from tests.bench.crowd import measure_crowd, measure_raw_crowd
from tests.bench.log_rate import measure_log, measure_sqlite
from tests.bench.loops import measure_http, measure_raw, measure_scripted

VARIANTS: Mapping[str, Measure] = {
    "raw": measure_raw,
    "http": measure_http,
    "scripted": measure_scripted,
    "log": measure_log,
    "sqlite": measure_sqlite,
    "crowd": measure_crowd,
    "raw_crowd": measure_raw_crowd,
}

if __name__ == "__main__":
    serve(VARIANTS[sys.argv[1]])
