"""How is a tool written? And every other way by which a decision reaches the world."""
