"""`@tool`: makes a typed function callable by an agent; it can still be called as a function."""

import functools
import inspect
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Unpack,
    get_args,
    overload,
)  # fmt: skip

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Approval, Effect
from playhead.tools.definition.callables import name_of, written
from playhead.tools.definition.given_schema import signature_of
from playhead.tools.definition.names import NAME, api_name
from playhead.tools.definition.request_fields import check_request, name_of_type, request_fields
from playhead.tools.definition.signature import Signature
from playhead.tools.options import (
    TRANSIENT,
    ApprovalRule,
    NeedsApproval,
    Probe,
    Subprocess,
    ToolOptions,
    ToolPolicy,
    as_subprocess,
    policy,
)
from playhead.tools.validation.schemas import (
    SchemaFault,
    as_json,
    schema_fault,
    text_fault,
    tool_schema_fault,
)

if TYPE_CHECKING:
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")


SERIAL = itertools.count(1)


class Tool(Generic[P, R]):
    """A function, and what the model is told about it. Calling it calls the function."""

    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[P, R],
        spec: ToolSpec,
        signature: Signature,
        probe: Probe | None = None,
        needs_approval: ApprovalRule | None = None,
        *,
        subprocess: Subprocess | None = None,
        transient: tuple[type[BaseException], ...] = TRANSIENT,
    ) -> None:
        self.function = function
        self.spec = spec
        self.signature = signature
        self.probe = probe
        self.needs_approval = needs_approval
        self.subprocess = subprocess
        self.transient = transient
        """Exceptions after which the same call may work later."""
        self.serial = next(SERIAL)
        """Tells this object from any other of the process."""
        self.reaches: Path | None = None
        """The file or folder that it works on, which must hold no log; None when it has none."""
        self.input_schema: object = None
        """The schema or type that was given for its arguments; None if they are its signature's."""
        self.bind: Callable[[object], AnyTool] | None = None
        """For a method in a class body: makes the tool of one object."""
        functools.update_wrapper(self, written(function))

    @staticmethod
    def from_schema(
        name: str,
        description: str,
        input_schema: Mapping[str, Json] | type[Any],
        function: Callable[..., Any],
        **options: Unpack[ToolPolicy],
    ) -> "AnyTool":
        """Make a tool whose arguments are described by a JSON schema, or by a Pydantic model.

        The function takes them in one parameter (`arguments: dict`, or of the model), as keywords
        (`**arguments`) or one by one; it may have a ToolContext, secrets and dependencies too. A
        name that the model API refuses is mapped, always in the same way; `spec.original` has it.
        Raises UsageError for what could never be called.
        """
        mapped = api_name(name)
        made = tool(
            function, name=mapped, description=description, input_schema=input_schema, **options
        )
        if mapped != name:
            made.spec = pinned(made.spec.model_copy(update={"original": name}))
        return made

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is checked, logged or timed."""
        return self.function(*args, **kwargs)

    def __get__(self, thing: object, owner: type | None = None) -> "Tool[..., R]":
        """The tool of one object if this is a method, otherwise the tool itself."""
        return self if thing is None or self.bind is None else self.bind(thing)

    def __reduce__(self) -> "str | tuple[Any, ...]":
        """Pickled by its name where that names it, else by its function and its options."""
        if _named(self.__module__, self.__qualname__) is self:
            return self.__qualname__
        thing: object = getattr(self.function, "__self__", None)
        if isinstance(getattr(type(thing), self.__name__, None), Tool):
            return getattr, (thing, self.__name__)
        options = (self.probe, self.needs_approval, self.subprocess, self.transient)
        return _unpickled, (self.function, self.spec, self.input_schema, *options)

    def __repr__(self) -> str:
        return f"<tool {self.spec.name} ({self.spec.effect})>"


AnyTool: TypeAlias = Tool[..., Any]


def _named(module: str, qualname: str) -> object:
    """What a module has under a name; None when it has nothing there."""
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def _unpickled(
    function: Callable[..., Any],
    spec: ToolSpec,
    given: object,
    probe: Probe | None,
    needs_approval: ApprovalRule | None,
    subprocess: Subprocess | None,
    transient: tuple[type[BaseException], ...],
) -> AnyTool:
    signature = signature_of(function, spec.name, spec.description, given)
    made: AnyTool = Tool(
        function, spec, signature, probe, needs_approval,
        subprocess=subprocess, transient=transient,
    )  # fmt: skip
    made.input_schema = given
    return made


@overload
def tool(function: Callable[P, R], /, **options: Unpack[ToolOptions]) -> Tool[P, R]: ...


@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Make a tool from a typed function: `@tool`, `@tool(effect="read")` or `tool(thing.method)`.

    On a method in a class body it makes a tool per object: `Agent(tools=[thing.method])`. The
    schema comes from the signature, the descriptions from the docstring (Google, NumPy or Sphinx
    style); `ToolOptions` documents the keywords.
    Raises UsageError if a model could not call the function.
    """

    def make(function: Callable[..., Any]) -> AnyTool:
        if _is_unbound(function):
            unbound = make(MethodType(function, object()))
            unbound.function = function
            unbound.bind = lambda thing: make(MethodType(function, thing))
            return unbound
        made = _make(function, options)
        approval = options.get("approval", False)
        expires = options.get("approval_expires")
        return made if approval is False else with_approval(made, approval, expires)

    return make if function is None else make(function)


def _make(function: Callable[..., Any], options: ToolOptions) -> AnyTool:
    if not callable(function) or isinstance(function, type | Tool):  # pyright: ignore[reportUnnecessaryComparison]
        msg = f"a tool is made from a function or a bound method, not from {function!r}"
        raise UsageError(msg)
    given = options.get("name")
    kind = options.get("type")
    own = name_of(function) if kind is None else name_of_type(kind)
    name = own if given is None else given
    if not NAME.fullmatch(name):
        msg = f"tool {name!r}: a name has 1 to 64 of a-z, A-Z, 0-9, _ and -: set another with name="
        raise UsageError(msg)
    effect = options.get("effect", "once")
    if effect not in get_args(Effect):
        msg = f"tool {name}: effect={effect!r} must be one of {', '.join(get_args(Effect))}"
        raise UsageError(msg)
    schema = options.get("input_schema")
    described = None if kind is None else f"The API's tool {kind}."
    signature = signature_of(function, name, options.get("description") or described, schema)
    if (fault := _fault(signature)) is not None:
        msg = f"tool {name}: {fault}"
        raise UsageError(msg)
    spec = ToolSpec(
        name=name,
        description=signature.description,
        input_schema=signature.schema,
        effect=effect,
        type=kind,
        request=request_fields(name, options),
        answer_schema=signature.answer_schema() if options.get("deferred", False) else None,
        **policy(name, options),
    )
    spec = pinned(spec)
    check_request(spec)
    subprocess = as_subprocess(options.get("subprocess", False))
    if subprocess is not None:
        _check_importable(function, name)
    made: AnyTool = Tool(
        function,
        spec,
        signature,
        options.get("probe"),
        subprocess=subprocess,
        transient=options.get("retry_on", TRANSIENT),
    )
    made.input_schema = schema
    return made


def _fault(signature: Signature) -> str | None:
    """What keeps a tool from being recorded, sent or called."""
    return (
        text_fault("its description", signature.description)
        or text_fault("its schema", json.dumps(signature.schema, ensure_ascii=False))
        or tool_schema_fault(signature.schema)
    )


def _is_unbound(function: object) -> bool:
    """Whether it is a method in a class body."""
    if not inspect.isfunction(function):
        return False
    where = function.__qualname__.rpartition(".")[0]
    first = next(iter(inspect.signature(function).parameters), None)
    within = bool(where) and not where.endswith("<locals>")
    return within and first == "self" and "self" not in function.__annotations__


def _check_importable(function: Callable[..., Any], name: str) -> None:
    """A new process imports the function by module and name; it is never forked."""
    if not inspect.isfunction(function) or "<locals>" in function.__qualname__:
        msg = f"tool {name}: with subprocess= it must be a function at the top level of a module"
        raise UsageError(msg)


def with_approval(made: AnyTool, needs: NeedsApproval, expires: float | None) -> AnyTool:
    """The tool with an approval rule. Raises UsageError for a rule that cannot be used."""
    if expires is not None and not 0 < expires < float("inf"):
        name = made.spec.name
        msg = f"tool {name}: approval_expires={expires!r} must be a positive number of seconds"
        raise UsageError(msg)
    match needs:
        case True:
            approval = Approval(when="always", expires=expires)
        case dict():
            try:
                rule = as_json(needs)
                fault = schema_fault(rule)
            except SchemaFault as error:
                rule, fault = {}, str(error)
            if fault is not None:
                msg = f"tool {made.spec.name}: approval= cannot be used: {fault}"
                raise UsageError(msg)
            approval = Approval(when="matches", argument_schema=rule, expires=expires)
        case _ if callable(needs):
            made.needs_approval = needs
            approval = Approval(when="function", expires=expires)
        case _:
            msg = f"tool {made.spec.name}: approval= takes True, a JSON schema or a function"
            raise UsageError(msg)
    made.spec = pinned(made.spec.model_copy(update={"approval": approval}))
    return made


def pinned(spec: ToolSpec) -> ToolSpec:
    """The spec with its definition: the SHA-256 (hex) of the canonical JSON of all other fields."""
    rest = spec.model_dump(mode="json", exclude={"definition"}, exclude_none=True)
    return spec.model_copy(update={"definition": sha256(canonical(rest)).hexdigest()})


def canonical(value: Json) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def by_name(tools: Iterable[AnyTool]) -> dict[str, AnyTool]:
    """The tools by name. Raises UsageError for a repeated name and for anything but a tool."""
    found: dict[str, AnyTool] = {}
    for each in tools:
        if not isinstance(each, Tool):  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"{each!r} is not a tool: put @tool above it, or wrap it in tool(...)"
            raise UsageError(msg)
        if each.bind is not None:
            msg = f"{each.spec.name} is a method: pass it from an object (thing.{each.spec.name})"
            raise UsageError(msg)
        if each.spec.name in found:
            msg = f"two tools are named {each.spec.name}: rename one with name= (mcp: prefix=)"
            raise UsageError(msg)
        found[each.spec.name] = each
    return found
