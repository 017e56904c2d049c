"""Where are records stored? The contract of a log, its backends, and the files beside it."""
