"""The tables of a log file, its migrations, and the check that a file is a log.

Plain SQL on purpose: it must run on every driver, and a released migration never changes.
"""

from pathlib import Path

from playhead.events.errors import LogDamaged, LogError, LogTooNew, UsageError
from playhead.events.log.contract import FORMAT
from playhead.events.log.sqlite.driver import NOT_A_DATABASE, Driver, DriverConnection, OpenMode

APPLICATION = 0x506C6179
"""`PRAGMA application_id` of a log: "Play"."""


def _unchangeable(table: str) -> tuple[str, str]:
    text = (
        "CREATE TRIGGER {table}_are_never_{done} BEFORE {verb} ON {table}"
        " BEGIN SELECT RAISE(ABORT, '{table} of a log are never {done}'); END"
    )
    return (
        text.format(table=table, verb="UPDATE", done="updated"),
        text.format(table=table, verb="DELETE", done="deleted"),
    )


FORMAT_1 = (
    """
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        parent INTEGER REFERENCES streams (id),
        parent_seq INTEGER
    ) STRICT""",
    # An integer for the stream and only one index keep rows small. A stream's epoch is that of its
    # last record: rows of streams are never updated.
    """
    CREATE TABLE records (
        position INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES streams (id),
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        origin TEXT NOT NULL,
        cause INTEGER,
        held INTEGER NOT NULL,
        command TEXT,
        traceparent TEXT,
        imported INTEGER NOT NULL,
        key_id TEXT,
        kind TEXT NOT NULL,
        version INTEGER NOT NULL,
        data BLOB NOT NULL,
        bodies TEXT,
        hash BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        UNIQUE (stream, seq)
    ) STRICT""",
    "CREATE UNIQUE INDEX records_command ON records (command) WHERE command IS NOT NULL",
    """
    CREATE TABLE bodies (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        content BLOB NOT NULL
    ) STRICT""",
    *_unchangeable("streams"),
    *_unchangeable("records"),
    *_unchangeable("bodies"),
    # For people using a SQLite shell: the log with readable names and JSON.
    """
    CREATE VIEW log AS
        SELECT position, name AS run, seq, datetime(at / 1000000, 'unixepoch') AS at, actor, origin,
            cause, records.kind, CAST(data AS TEXT) AS data, bodies
        FROM records JOIN streams ON streams.id = stream""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (FORMAT_1,)
"""MIGRATIONS[n] converts format n to format n + 1."""


def checked_path(path: Path | str) -> Path:
    """The absolute path, independent of later changes of the working directory.

    Raises UsageError for a path that cannot be a log: a folder, a device, an invalid name, a URL.
    """
    try:
        full = Path(path).absolute()
        if "\0" in str(full):
            msg = f"{str(path)!r} cannot be the name of a log: it contains a null byte"
            raise UsageError(msg)
        if str(path).startswith(("postgresql:/", "postgres:/")):
            msg = (
                f"{path}: a log in PostgreSQL is opened by Runtime(URL) only; the commands, and "
                "what works on files, take the name of a file"
            )
            raise UsageError(msg)
        if full.is_dir():
            msg = f"{path or '.'} is a folder: name a file in it as the log"
            raise UsageError(msg)
        if full.exists() and not full.is_file():
            msg = f"{path} is a device or a pipe; a log must be a regular file"
            raise UsageError(msg)
        for tail in ("-wal", "-shm", ".anchor"):  # a pipe in their place would be waited for
            beside = full.with_name(full.name + tail)
            if beside.exists() and not beside.is_file():
                msg = f"{beside} is not a regular file: move it away"
                raise UsageError(msg)
    except (OSError, ValueError) as error:
        msg = f"{str(path)!r} cannot be the name of a log: {getattr(error, 'strerror', 0) or error}"
        raise UsageError(msg) from error
    return full


def found_format(driver: Driver, path: Path, *, roll_back: bool = False) -> int:
    """The log format of the file at `path`, 0 if it is missing or empty; nothing is modified.

    With `roll_back` (owner only), a creation that was torn by a power cut is undone.

    Raises LogTooNew for a newer format and LogError for a file that is not a log.
    """
    if not path.exists():
        return 0
    # Without a WAL no process has it open: read it as immutable, so that no -shm file appears.
    wal = path.with_name(path.name + "-wal")
    torn = roll_back and path.with_name(path.name + "-journal").exists()
    mode: OpenMode = "rw" if torn else "ro"
    connection = driver.connect(path, mode, immutable=not torn and not wal.exists())
    try:
        return check_format(connection, path)
    except driver.error as error:
        if driver.code(error) == NOT_A_DATABASE:
            msg = f"{path} is not a Playhead log and not a SQLite file"
            raise LogError(msg) from error
        msg = f"{path} cannot be read: {error}"
        raise LogDamaged(msg) from error
    finally:
        connection.close()


def check_format(connection: DriverConnection, path: Path) -> int:
    """Like found_format, on an open connection."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and (tables or version):
        msg = f"{path} is another program's SQLite file, not a Playhead log"
        raise LogError(msg)
    if version > FORMAT:
        raise LogTooNew(str(path), version, FORMAT)
    return int(version)


def prepare(connection: DriverConnection, path: Path) -> None:
    """Create the tables, or migrate an older file to this format, in one transaction."""
    if check_format(connection, path) == FORMAT:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[check_format(connection, path) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
