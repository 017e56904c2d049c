"""How is a model called? Clients, streams, admission and embeddings."""
