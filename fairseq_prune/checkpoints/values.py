"""Values that options hold as text, which fairseq gives to Python's ``eval``, found without it."""

import ast
import operator
from typing import Any, Callable, Dict, Optional

from ..pruning import PruneError

#: Of bits of an integer and of elements of a list: far above what an option needs.
MOST_BITS, MOST_ELEMENTS = 512, 100_000

_OPERATORS: Dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


class NotAValue(PruneError):
    """An option is set to text that is more than a value.

    Attributes:
        text: what it is set to.
    """

    def __init__(self, text: str):
        self.text = text
        shown = text if len(text) <= 80 else text[:77] + "..."
        super().__init__(
            f"{shown!r} is no number, list, tuple or dictionary, nor arithmetic of those, which is "
            f"all that is evaluated here; write it as one"
        )


def value_of(text: str) -> Any:
    """What ``eval`` makes of ``text`` if it is a value, and runs nothing.

    Numbers, strings, True, False, None; lists, tuples and dictionaries of values; arithmetic
    of numbers; lists and tuples added and repeated.

    >>> value_of("[(512, 3)] * 2 + [(1024, 1)]")
    [(512, 3), (512, 3), (1024, 1)]

    Raises:
        NotAValue: it is none, or larger than any option is.
        TypeError: it is no text (as ``eval`` raises it, which fairseq counts on).
    """
    if not isinstance(text, str):
        raise TypeError(f"a {type(text).__name__} is no text")
    try:
        return _Evaluation().value(ast.parse(text.lstrip(" \t"), mode="eval").body)
    except (
        SyntaxError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError, MemoryError
    ):  # fmt: skip
        raise NotAValue(text) from None


class _Evaluation:
    """Of one text: what all its lists come to is limited, as each number is."""

    def __init__(self):
        self._elements = 0

    def value(self, node: Optional[ast.AST]) -> Any:
        """None stands for the key of ``**`` in a dictionary, which is no value."""
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, (int, float, str, type(None))):
                raise TypeError(node)
            return _checked(node.value)
        if isinstance(node, (ast.List, ast.Tuple)):
            kind = list if isinstance(node, ast.List) else tuple
            return kind(map(self.value, node.elts))
        if isinstance(node, ast.Dict):
            return dict(zip(map(self.value, node.keys), map(self.value, node.values)))
        if isinstance(node, ast.UnaryOp):
            return _checked(_OPERATORS[type(node.op)](self.value(node.operand)))
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left), self.value(node.right)
            self._check(node.op, left, right)
            return _checked(_OPERATORS[type(node.op)](left, right))
        raise TypeError(node)

    def _check(self, op: ast.operator, left: Any, right: Any) -> None:
        """Before a result is made that is too large, or that is no arithmetic."""
        if isinstance(left, (str, dict)) or isinstance(right, (str, dict)):
            raise TypeError(op)
        if isinstance(op, ast.Pow) and abs(right) > MOST_BITS:
            raise ValueError(op)
        if isinstance(op, (ast.Add, ast.Mult)):
            for sequence, other in ((left, right), (right, left)):
                if isinstance(sequence, (list, tuple)):
                    times = max(other, 0) if isinstance(other, int) else 1
                    self._elements += len(sequence) * times
            if self._elements > MOST_ELEMENTS:
                raise ValueError(op)


def _checked(value: Any) -> Any:
    if isinstance(value, complex):
        raise TypeError(value)
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ValueError(value)
    return value
