"""The terms of a text, in any script: what memories are indexed and found by.

Letters are folded (case, accents, width; "Straße" is "strasse"). English words lose their endings,
by SQLite's own Porter stemmer; longer words with letters beyond ASCII are cut to their first five
letters, which does nearly the same for inflected languages. Scripts that put no spaces between
words (Han, kana, Thai, Lao, Khmer, Burmese), and Hangul, become overlapping pairs of letters.
"""

import re
import sqlite3
import threading
import unicodedata
from functools import cache, lru_cache

STEM = 5
"""Letters that are kept of a word that is not ASCII."""

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
)
"""Letters of scripts that are indexed in pairs."""

VOWELS = "\u0900-\u0963\u0966-\u0dff"
"""The Indic scripts whole: Python's `\\w` leaves out their vowel signs."""

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
WORD = re.compile(f"(?P<unspaced>[{UNSPACED}]+)|(?:[^\\W_{UNSPACED}]|[{VOWELS}])+")
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
"""Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowel signs and the tatweel."""

ARTICLES = frozenset({"a", "an", "the"})

MARKS = (
    ".,;:!\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb\u2026\u3001\u3002\u300c\u300d\u061b\u060c\u0964"
)
"""What may stand around a word without changing what is said."""


def terms(text: str) -> list[str]:
    """The terms, in their order."""
    found: list[str] = []
    for match in WORD.finditer(fold(text)):
        word = match[0]
        if match["unspaced"]:
            found += [word[n : n + 2] for n in range(max(1, len(word) - 1))]
            found += HAN.findall(word) if len(word) > 1 else ()
        else:
            found.append(stem(word) if word.isascii() else word[:STEM])
    return found


def wording(text: str) -> str:
    """What texts that say the same in the same words share: not case, articles or a full stop.

    Signs that change what is said stay: "-5", "C++", "ready?".
    """
    words = unicodedata.normalize("NFKC", text).casefold().split()
    bare = (word.strip(MARKS) for word in words)
    return " ".join(word for word in bare if word and word not in ARTICLES) or text.strip()


def fold(text: str) -> str:
    """The text without what a writer may leave out: case, accents, width."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", apart))


@lru_cache(100_000)
def stem(word: str) -> str:
    """The stem of a folded ASCII word."""
    if len(word) < 3:
        return word
    connection, lock = _stemmer()
    with lock:
        connection.execute("INSERT INTO words (rowid, word) VALUES (1, ?)", [word])
        (found,) = connection.execute("SELECT term FROM stems").fetchone()
        connection.execute("DELETE FROM words")
    return str(found)


@cache
def _stemmer() -> tuple[sqlite3.Connection, threading.Lock]:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (word, tokenize = 'porter ascii')")
    connection.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (words, instance)")
    return connection, threading.Lock()
