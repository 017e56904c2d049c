"""The inspector: a local web page over any log. Server-rendered, no build step, nothing remote.

Begin reading at `app` (the pages) and `guard` (who may see them).
"""
