"""Whether pytest finds the plugin by itself, as it does once the package is installed."""

from importlib.metadata import entry_points

PLUGIN = "playhead.testing.pytest_plugin"


def by_hand() -> list[str]:
    """What pytest must be told to load it: nothing, where its entry point is installed."""
    found = [point.value for point in entry_points(group="pytest11")]
    return [] if PLUGIN in found else [PLUGIN]
