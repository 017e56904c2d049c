"""The log in a PostgreSQL database (extra `postgres`)."""
