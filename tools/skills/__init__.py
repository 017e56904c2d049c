"""How does an agent get instructions from files? Agent Skills folders and AGENTS.md."""
