"""The version of this code, as recorded in runs and printed by `playhead --version`."""

VERSION = "0.1.0"
