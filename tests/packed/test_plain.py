"""What a checkpoint holds besides weights, through JSON and back."""

import json
import math
from argparse import Namespace
from collections import OrderedDict
from decimal import Decimal

import pytest
import torch

from fairseq_prune.checkpoints.packed.plain import from_json, to_json
from fairseq_prune.pruning import PruneError


def through_json(value):
    """``value`` written and read, and the tensors that were put aside."""
    tensors = []
    text = json.dumps(to_json(value, tensors), allow_nan=False)
    return from_json(json.loads(text), tensors), tensors


def typed(value):
    """A text that differs where values, their types or their order differ."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"{kind}{[(typed(k), typed(v)) for k, v in value.items()]}"
    if isinstance(value, (list, tuple)):
        return f"{kind}{[typed(item) for item in value]}"
    if isinstance(value, (set, frozenset)):
        return f"{kind}{sorted(typed(item) for item in value)}"
    if isinstance(value, Namespace):
        return f"{kind}{typed(vars(value))}"
    return f"{kind} {value!r}"


VALUES = {
    "plain": {"a": [1, True, None, "ü", ""], "b": {}, "c": [], "d": 2**70, "e": "\ud800"},
    "floats": [0.1, -0.0, 5e-324, 1e308, math.inf, -math.inf, math.nan, 3.0],
    "tuples": ((), (1,), (1, (2, [3, ("x", {})]))),
    "sets": [set(), {1, "a", None, (2, 3)}, frozenset([1]), {frozenset([1, 2])}],
    "other keys": {1: "a", "1": "b", None: 3, 2.5: 4, (1, 2): 5, True and "t": 6},
    "ordered": OrderedDict([("z", 1), ("a", OrderedDict()), ("m", {"y": 1, "b": 2})]),
    "ordered, other keys": OrderedDict([(2, 1), (1, 2), ("!", OrderedDict([(3, 4)]))]),
    "the mark": {"!": "tuple", "is": [1, 2]},
    "the mark, inside": [{"!": {"!": 1}}, {"is": 7}, {"!": None, 3: 4}],
    "namespaces": Namespace(
        arch="lstm", lr=[0.5], betas=(0.9, 0.98), inner=Namespace(), **{"!": 1, "odd name": 2}
    ),
    "numbers alone": 7, "nothing": None, "a float alone": -math.inf,
}  # fmt: skip


@pytest.mark.parametrize("name", list(VALUES))
def test_what_is_read_is_what_was_written(name):
    found, tensors = through_json(VALUES[name])
    assert typed(found) == typed(VALUES[name]) and tensors == []


def test_tensors_are_put_aside_and_put_back():
    a, b = torch.ones(2, 3), torch.tensor(5)
    value = {"x": [a, {1: (b, a)}], "y": Namespace(z=b)}
    found, tensors = through_json(value)
    assert [t.tolist() for t in tensors] == [a.tolist(), 5, a.tolist(), 5]
    assert found["x"][0] is a and found["x"][1][1][0] is b and found["y"].z is b
    assert json.dumps(to_json(value, [])).count("tensor") == 4


@pytest.mark.parametrize(
    "value", [object(), Decimal(1), b"bytes", 1j, range(3), torch.float32, len, Namespace]
)
def test_other_types_are_named(value):
    with pytest.raises(PruneError, match=f"holds a {type(value).__name__}, which cannot be packed"):
        to_json({"a": [(value,)]}, [])


@pytest.mark.parametrize(
    "value",
    [
        {"!": "tensor", "is": 1}, {"!": "tensor", "is": "a"}, {"!": "tensor", "is": 2**80},
        {"!": "tensor"}, {"!": "function", "is": []}, {"!": [], "is": []}, {"!": None},
        {"!": "float", "is": "x"}, {"!": "float", "is": 10**400}, {"!": "set", "is": [[]]},
        {"!": "tuple", "is": 7}, {"!": "set", "is": "text"}, {"!": "float", "is": []},
        {"!": "namespace", "is": [1]},
        {"!": "namespace", "is": {"!": "pairs", "is": [[1, 2]]}}, {"!": "ordered", "is": [[1, 2]]},
        {"!": "pairs", "is": [[1]]}, {"!": "pairs", "is": [[[], 1]]}, {"!": "pairs", "is": [7]},
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused(value):
    with pytest.raises(PruneError, match="damaged"):
        from_json({"a": [value]}, [torch.ones(2)])
