"""Where do records live? The contract of a log, its backends, and the files beside it."""
