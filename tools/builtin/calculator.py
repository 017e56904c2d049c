"""A calculator: arithmetic as people write it, parsed as a syntax tree, never evaluated as code.

Only the operators and functions in these tables exist. Sizes are bounded before each operation: an
expression such as 9**9**9 is refused at once instead of exhausting memory.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from playhead.events.errors import ToolError
from playhead.tools.tool import tool

Number: TypeAlias = int | float

MAX_LENGTH = 500
MAX_BITS = 10_000
"""Of any integer, intermediate or final: about 3,000 digits."""

HINT = (
    "Write an expression of numbers, + - * / // % ** ( ), pi, e, and functions such as sqrt, "
    "round, min, max, log, sin: for example (3 + 4) * sqrt(2) / 100."
)


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and int(base).bit_length() * abs(exponent) > MAX_BITS:
        raise ToolError(f"{base}**{exponent} is too large"[:200], hint="Use smaller numbers.")
    return _real(base**exponent)


def _real(value: Any) -> Number:
    if isinstance(value, complex):
        msg = "the result is not a real number"
        raise ToolError(msg, hint="Avoid even roots of negative numbers.")
    number: Number = value
    return number


def _factorial(value: Number) -> int:
    if value > 1000:
        msg = "factorial takes at most 1000"
        raise ToolError(msg, hint="Use a smaller number.")
    return math.factorial(operator.index(value))  # type: ignore[arg-type]


def _round(value: Number, digits: Number = 0) -> Number:
    places = max(-400, min(400, int(digits)))
    return round(value, places) if places else round(value)


BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}

UNARY: Mapping[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}

FROM_MATH = """
    acos asin atan atan2 cbrt ceil cos cosh degrees exp floor gcd hypot lcm log log10 log2 radians
    sin sinh sqrt tan tanh trunc
"""

Function: TypeAlias = Callable[..., Number]

FUNCTIONS: Mapping[str, Function] = {
    **{name: cast("Function", getattr(math, name)) for name in FROM_MATH.split()},
    "abs": cast("Function", abs),
    "factorial": _factorial,
    "max": cast("Function", max),
    "min": cast("Function", min),
    "pow": _power,
    "round": _round,
}

SPELLINGS = {0xD7: "*", 0xB7: "*", 0xF7: "/", 0x2212: "-"}
"""Code point -> operator: the typographic multiplication, dot, division and minus signs."""


@tool(effect="read", timeout=10)
def calculator(expression: str) -> int | float:
    """Calculate an arithmetic expression exactly.

    Use it for every calculation, however small, instead of doing it in your head. It supports + - *
    / // % ** and parentheses, pi, e, tau, and functions such as sqrt, round, min, max, log, exp,
    sin, factorial. It does not support variables, units, percent signs or thousands separators.

    Args:
        expression: The expression, for example "(17.5 + 3) * 12 / 100".

    Returns:
        The value as a number.
    """
    if len(expression) > MAX_LENGTH:
        msg = f"the expression has {len(expression)} characters, more than the {MAX_LENGTH} allowed"
        raise ToolError(
            msg,
            hint="Calculate it in parts.",
        )
    written = expression.translate(SPELLINGS).replace("^", "**").strip()
    try:
        tree = ast.parse(written, mode="eval")
        return _tidy(_value(tree.body))
    except SyntaxError as error:
        where = f" at character {error.offset}" if error.offset else ""
        msg = f"{expression!r} is not a valid expression{where}"
        raise ToolError(msg, hint=HINT) from error
    except ZeroDivisionError as error:
        msg = "division by zero"
        raise ToolError(msg, hint="The divisor must not be 0.") from error
    except OverflowError as error:
        msg = "a value is too large"
        raise ToolError(msg, hint="Use smaller numbers.") from error
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        msg = f"{expression!r} cannot be calculated: {error}"
        raise ToolError(msg, hint=HINT) from error


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return _bounded(BINARY[type(op)](_value(left), _value(right)))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return UNARY[type(op)](_value(operand))
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _bounded(_real(FUNCTIONS[name](*[_value(arg) for arg in args])))
        case _:
            msg = f"`{ast.unparse(node)[:60]}` is not arithmetic"
            raise ToolError(msg, hint=HINT)


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        msg = "a value is too large"
        raise ToolError(msg, hint="Use smaller numbers.")
    if isinstance(value, float) and not math.isfinite(value):
        msg = "the result is not a finite number"
        raise ToolError(msg, hint="Use other numbers.")
    return value


def _tidy(value: Number) -> Number:
    """Round to the 15 digits that a float holds: 0.1 + 0.2 is 0.3."""
    _bounded(value)
    return float(f"{value:.15g}") if isinstance(value, float) else value
