"""What a tool asks a person, and the answer: checked, completed with its defaults, given back."""

from collections.abc import Mapping
from hashlib import sha256

from playhead.events.event import Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.tool_calls import ToolInputRequired
from playhead.events.spec.agent import ToolSpec
from playhead.tools.context import InputGiven
from playhead.tools.tool import canonical, pinned
from playhead.tools.validation.arguments import check
from playhead.tools.validation.schemas import schema_fault

Fields = dict[str, Json]


def questions_hash(required: ToolInputRequired) -> str:
    """SHA-256 (hex) of exactly these questions: an answer applies to no others."""
    return sha256(canonical([required.questions, required.state])).hexdigest()


def input_given(required: ToolInputRequired, answer: ApprovalDecided | None) -> InputGiven:
    """The answers as the tool gets them; nobody answered in time: `cancel`."""
    if answer is None or not answer.approved:
        action = "cancel" if answer is None else "decline"
        said: dict[str, Json] = {key: {"action": action} for key in required.questions}
        return InputGiven(required.state, said)
    return InputGiven(
        required.state,
        {
            key: {"action": "accept", **_content(question, _own(required.questions, key, answer))}
            for key, question in required.questions.items()
        },
    )


def answer_fault(questions: Mapping[str, Json], answer: ApprovalDecided) -> str | None:
    """Why an answer does not fit what was asked; None if it does."""
    if not answer.approved:
        return None
    for key, question in questions.items():
        schema = _schema(question)
        if schema is None or schema_fault(schema) is not None:
            continue
        fields = _completed(schema, _own(questions, key, answer))
        spec = ToolSpec(name="the answer", description="", input_schema=schema, effect="read")
        wrong = check(pinned(spec), fields)
        if wrong is not None:
            return f"{key}: {wrong.message}" if len(questions) > 1 else wrong.message
    return None


def _own(questions: Mapping[str, Json], key: str, answer: ApprovalDecided) -> Fields:
    given = answer.arguments or {}
    if len(questions) == 1:
        return given
    found = given.get(key)
    return found if isinstance(found, dict) else {}


def _schema(question: Json) -> Fields | None:
    found = question.get("requestedSchema") if isinstance(question, dict) else None
    return found if isinstance(found, dict) else None


def _completed(schema: Fields, fields: Fields) -> Fields:
    """With the default of each field that is left out."""
    known = schema.get("properties")
    properties = known if isinstance(known, dict) else {}
    defaults = {
        name: each["default"]
        for name, each in properties.items()
        if isinstance(each, dict) and "default" in each
    }
    return defaults | fields


def _content(question: Json, fields: Fields) -> Fields:
    schema = _schema(question)
    return {} if schema is None else {"content": _completed(schema, fields)}
