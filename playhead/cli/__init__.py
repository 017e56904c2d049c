"""The command line. One module per group of commands; `app` puts them together."""

from playhead.cli.app import main

__all__ = ["main"]
