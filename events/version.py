"""The version of this code, as runs record it and `playhead --version` says it."""

VERSION = "0.1.0"
