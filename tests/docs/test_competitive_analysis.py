"""The example of a plan runs as it stands, on the scripted model."""

from pathlib import Path

from tests.docs.test_code_blocks import EXAMPLES, python


def test_the_competitive_analysis_shows_its_plan_and_ticks_off_its_steps(tmp_path: Path) -> None:
    said = python(str(EXAMPLES / "competitive_analysis.py"), folder=tmp_path)
    assert "[ ] reviews  reviews:" in said
    assert "flowchart TD" in said
    assert "finished  prices[4]" in said
    assert "Linear" in said
