"""The tables of a log in PostgreSQL, and the connection that a log is read and written by.

The same tables as in a SQLite file, in a schema that the connection's search path names. Names
compare byte by byte (COLLATE "C"), as SQLite's do.
"""

from typing import Any

import psycopg

from playhead.events.errors import LogError, LogTooNew
from playhead.events.log.contract import FORMAT

OWNER_LOCK = 0x506C6179
"""The advisory lock of the process that owns the log: "Play"."""

STATEMENT_MS = 30_000
"""A statement, and a transaction that waits for its client, is ended by the server after this."""


def _unchangeable(table: str) -> str:
    return f"""
    CREATE TRIGGER {table}_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION playhead_refuse_change();"""


FORMAT_1 = f"""
    CREATE TABLE playhead_format (format integer NOT NULL);
    INSERT INTO playhead_format VALUES (1);
    CREATE TABLE streams (
        id bigint PRIMARY KEY,
        name text COLLATE "C" NOT NULL UNIQUE,
        kind text NOT NULL,
        parent bigint REFERENCES streams (id),
        parent_seq bigint
    );
    CREATE TABLE records (
        position bigint PRIMARY KEY,
        stream bigint NOT NULL REFERENCES streams (id),
        seq bigint NOT NULL,
        at bigint NOT NULL,
        actor text NOT NULL,
        origin text NOT NULL,
        cause bigint,
        held boolean NOT NULL,
        command text,
        traceparent text,
        imported boolean NOT NULL,
        key_id text,
        kind text NOT NULL,
        version integer NOT NULL,
        data bytea NOT NULL,
        bodies text,
        hash bytea NOT NULL,
        epoch bigint NOT NULL,
        UNIQUE (stream, seq)
    );
    CREATE UNIQUE INDEX records_command ON records (command) WHERE command IS NOT NULL;
    CREATE TABLE bodies (digest bytea PRIMARY KEY, content bytea NOT NULL);
    CREATE TABLE anchors (
        position bigint PRIMARY KEY, hash bytea NOT NULL, running bytea NOT NULL
    );
    CREATE FUNCTION playhead_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '% of a log are never changed', TG_TABLE_NAME; END $$;
    {"".join(map(_unchangeable, ("streams", "records", "bodies", "anchors")))}
"""


def connect(url: str) -> "psycopg.Connection[Any]":
    """A connection in autocommit mode, with bounds on how long the server works or waits.

    Raises psycopg.Error.
    """
    connection = psycopg.connect(
        url, autocommit=True, connect_timeout=10, tcp_user_timeout=STATEMENT_MS
    )
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(f"SET {name} = {STATEMENT_MS}".encode())
    return connection


def found_format(connection: "psycopg.Connection[Any]", name: str) -> int:
    """The log format of the database, 0 without a log. Raises LogTooNew and LogError."""
    row = connection.execute("SELECT to_regclass('playhead_format')").fetchone()
    if row is None or row[0] is None:
        if connection.execute("SELECT to_regclass('records')").fetchone() != (None,):
            msg = f"{name} has a table `records` of another program: give the log its own database"
            raise LogError(msg)
        return 0
    found = connection.execute("SELECT max(format) FROM playhead_format").fetchone()
    version = int(found[0] or 0) if found else 0
    if version > FORMAT:
        raise LogTooNew(name, version, FORMAT)
    return version


def prepare(connection: "psycopg.Connection[Any]", name: str) -> None:
    """Create the tables if there are none, in one transaction."""
    if found_format(connection, name) == 0:
        with connection.transaction():
            connection.execute(FORMAT_1.encode())
