"""What surrounds a tool call? Approval rules, the cache, rate and concurrency limits."""
