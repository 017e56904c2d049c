"""How do agents fare through crashes and faults? A seeded simulation of whole processes."""
