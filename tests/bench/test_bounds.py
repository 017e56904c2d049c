"""What the benchmarks show and every change must keep. No test looks at a clock."""

from tests.bench.children import stub
from tests.bench.crowd import measure_crowd
from tests.bench.loops import measure_http


def test_a_hundred_runs_at_once_need_at_most_twenty_threads_and_none_fails() -> None:
    with stub(10, wait=0.2) as url:
        found = measure_crowd(url, 100)
    assert found["errors"] == 0
    assert found["threads"] <= 20


def test_a_run_of_400_steps_over_http_costs_bytes_in_line_with_what_happened() -> None:
    with stub(100) as short, stub(400) as long:
        at_100 = measure_http(short, 100, runs=1)
        at_400 = measure_http(long, 400, runs=1)
    for found in (at_100, at_400):
        assert found["disk_bytes"] < 1.5 * found["export_bytes"]
    assert at_400["disk_bytes"] < 1.1 * at_100["disk_bytes"]
