"""Texts with questions that nobody here wrote, from packages: what recall is tuned and tested on.

    apt-get download debian-faq debian-faq-{de,fr,ja,ko,ru,zh-cn} perl-doc
    for each in *.deb; do dpkg -x $each texts; done
    pip install chatterbot-corpus pyyaml
    RECALL_TEXTS=texts make bench ARGS=memory

A FAQ's question is answered by each paragraph below it; a conversation's line by those that follow
it somewhere. TUNED says what the weights were chosen on; the rest was only ever tested on.
"""

import html
import os
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tests.memory.labelled import labelled

ROOT = Path(os.environ.get("RECALL_TEXTS", "/"))
FAQ = "usr/share/doc/debian/FAQ"
TUNED = ("labelled", "faq en", "faq de", "faq fr", "faq ja", "chat english")
LONGEST = 1500
"""Characters of a memory."""


class Question(NamedTuple):
    """A question, and the numbers of the memories that answer it."""

    text: str
    answers: frozenset[int]


class Questions(NamedTuple):
    """Memories of one namespace, and questions about them."""

    memories: list[str]
    questions: list[Question]


def sets() -> Iterator[tuple[str, list[Questions]]]:
    """Each set that is installed, by namespace."""
    yield "labelled", list(_labelled())
    for language in ("en", "de", "fr", "ja", "ru", "ko", "zh-cn"):
        yield f"faq {language}", [_debian_faq(language)]
    yield "perlfaq", [_perl_faq()]
    for language in ("english", "japanese", "korean", "persian", "german"):
        yield f"chat {language}", [_conversations(language)]


def _labelled() -> Iterator[Questions]:
    given = labelled()
    for namespace, memories in given.memories.items():
        ids = list(memories)
        asked = [q for q in given.queries if q.namespace == namespace]
        questions = [Question(q.text, frozenset(map(ids.index, q.answers))) for q in asked]
        yield Questions(list(memories.values()), questions)


def _debian_faq(language: str) -> Questions:
    found = Questions([], [])
    for page in sorted((ROOT / FAQ).rglob(f"*.{language}.html")):
        for part in re.split(r"<h[23][^>]*>", page.read_text())[1:]:
            heading, _, below = part.partition("</h")
            paragraphs = re.findall(r"<p>(.*?)</p>|<pre[^>]*>(.*?)</pre>", below, re.DOTALL)
            texts = [_plain(a or b) for a, b in paragraphs]
            question = re.sub(r"^[\d.\s]+", "", _plain(heading))
            _add(found, question, [text for text in texts if len(text) >= 15])
    return found


def _perl_faq() -> Questions:
    found = Questions([], [])
    for page in sorted(ROOT.glob("usr/share/perl/*/pod/perlfaq[1-9].pod")):
        for part in page.read_text(errors="replace").split("\n=head2 ")[1:]:
            question, *paragraphs = re.split(r"\n\s*\n", part.partition("\n=head1")[0])
            texts = [_pod(each) for each in paragraphs if not each.startswith("=")]
            _add(found, f"{_pod(question)}?", [text for text in texts if len(text) >= 30])
    return found


def _conversations(language: str) -> Questions:
    numbers: dict[str, int] = {}
    answers: dict[str, set[int]] = {}
    if find_spec("chatterbot_corpus") is None or find_spec("yaml") is None:
        return Questions([], [])
    yaml: Any = import_module("yaml")
    folder = Path(str(import_module("chatterbot_corpus").__file__)).parent / "data" / language
    for page in sorted(folder.glob("*.yml")):
        for said, *then in yaml.safe_load(page.read_text())["conversations"]:
            if then and len(str(then[0])) >= 20 and len(str(said)) >= 8:
                number = numbers.setdefault(str(then[0]), len(numbers))
                answers.setdefault(str(said), set()).add(number)
    questions = [Question(said, frozenset(ids)) for said, ids in answers.items()]
    return Questions(list(numbers), questions)


def _add(found: Questions, question: str, texts: list[str]) -> None:
    first = len(found.memories)
    found.memories.extend(text[:LONGEST] for text in texts)
    if texts and re.search(r"[?\uff1f]|か$", question):
        found.questions.append(Question(question, frozenset(range(first, len(found.memories)))))


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", "", text)).split())


def _pod(text: str) -> str:
    return " ".join(re.sub(r"[A-Z]<+\s?(.*?)\s?>+", r"\1", text).split())
