"""Options as text: what ``eval`` makes of values, and nothing else, wherever fairseq evaluates."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

import fairseq
import pytest
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

import fairseq_prune  # noqa: F401
from fairseq_prune.checkpoints.values import NotAValue, value_of

SOURCES = Path(fairseq.__file__).parent


@pytest.mark.parametrize(
    "text",
    ["[(512, 3)] * 2 + [(1024, 1)]", "1e-4,1e-5", "(0.9, 0.98)", " [True] + [False] * 5", "2**-3",
     "-1", "{'mined': (None, 'tgt')}", "not 1", "7 // 2 % 2", "[[]] * 0", "1/3", "'text'", "()"],
)  # fmt: skip
def test_values(text):
    assert value_of(text) == eval(text) and type(value_of(text)) is type(eval(text))


@pytest.mark.parametrize(
    "text",
    ["__import__('os').getcwd()", "a", "print", "[i for i in (1,)]", "(1).real", "f'{1}'", "...",
     "1 if 1 else 2", "lambda: 1", "", "[*[1]]", "1j", "(-1)**.5", "b''", "{**{}}", "{[]: 1}",
     "1/0", "1 < 2", "1 and 2", "[1][0]", "(a := 1)", "1 << 9", "1\n2", "import os"],
)  # fmt: skip
def test_anything_else(text):
    with pytest.raises(NotAValue, match="which is all that is evaluated here"):
        value_of(text)


@pytest.mark.parametrize(
    "text",
    ["[0] * 10**9", "10**10**10", "9**999", "'a' * 9", "'%99999d' % 1", "2**(2**9)",
     "1" + "+1" * 50000, "-" * 9999 + "1", "(" * 999 + ")" * 999, "[0] * -10**9 + [0] * 10**6",
     ",".join(["[0] * 90000"] * 99)],
)  # fmt: skip
def test_what_is_too_large(text):
    with pytest.raises(NotAValue):
        value_of(text)


@pytest.mark.parametrize("value", [True, None, b"1", 3, compile("1", "", "eval")])
def test_what_is_no_text(value):
    """fairseq counts on it: eval_bool(True) is its default."""
    with pytest.raises(TypeError):
        value_of(value)


def evaluating():
    """The modules of fairseq whose sources call eval or exec."""
    for path in sorted(SOURCES.rglob("*.py")):
        relative = path.relative_to(SOURCES)
        if relative.parts[0] == "examples":  # of other --user-dirs
            continue
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "eval" in text or "exec" in text else ():
            called = node.func if isinstance(node, ast.Call) else None
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)
            of = getattr(getattr(called, "value", None), "id", None)
            if name == "exec" or (
                name == "eval" and (isinstance(called, ast.Name) or of == "builtins")
            ):
                yield ".".join(("fairseq", *relative.with_suffix("").parts)), name


def test_every_module_that_evaluates():
    found = set(evaluating())
    modules = {name for name, _ in found}
    assert {"fairseq.models.fconv", "fairseq.utils", "fairseq.optim.adam"} <= modules
    assert not [name for name, what in found if what == "exec"]
    for name in modules:
        assert name in sys.modules, f"{name} is imported later than this plugin: cover it too"
        assert importlib.import_module(name).eval("[(1, 2)] * 2") == [(1, 2)] * 2
        with pytest.raises(SystemExit, match="which is all that is evaluated"):
            importlib.import_module(name).eval("__import__('os')")


def test_options_of_every_architecture():
    evaluated = set()
    for name, fill_in in ARCH_CONFIG_REGISTRY.items():
        parser = argparse.ArgumentParser(
            argument_default=argparse.SUPPRESS, conflict_handler="resolve"
        )
        ARCH_MODEL_REGISTRY[name].add_args(parser)
        args = parser.parse_args([])
        try:
            fill_in(args)
        except Exception:
            continue  # an architecture of a dataclass that wants all of it
        for text in vars(args).values():
            try:
                expected = eval(text, {"__builtins__": {}}) if isinstance(text, str) else None
            except Exception:
                continue
            if expected is not None:
                evaluated.add(text)
                assert value_of(text) == expected
    assert len(evaluated) > 20
