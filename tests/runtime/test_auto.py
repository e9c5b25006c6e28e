"""The choice is the fastest by the times measured, and what is not chosen is let go."""

import gc
import weakref

import pytest
import torch
from matrices import sparse_matrix

from fairseq_prune.runtime import auto
from fairseq_prune.runtime.products import KINDS


@pytest.mark.parametrize("fastest", list(KINDS))
def test_the_fastest_is_taken(fastest, monkeypatch):
    made = {}

    def make(kind):
        def maker(weights):
            product = KINDS[kind](weights)
            made[kind] = weakref.ref(product)
            return product

        return maker

    monkeypatch.setattr(auto, "KINDS", {kind: make(kind) for kind in KINDS})
    seconds = {kind: 1.0 + (kind != fastest) for kind in KINDS}
    monkeypatch.setattr(auto, "time_in_turn", lambda products, use: seconds)
    weight, x = sparse_matrix(30, 20, 0.8), torch.randn(5, 20)
    product = auto.Auto([weight], "w")
    assert not made, "nothing is made before it is needed"
    y = product(x)
    assert torch.equal(y, KINDS[fastest]([weight])(x))
    gc.collect()
    assert [kind for kind, ref in made.items() if ref() is not None] == [fastest]


def test_times_are_of_each_in_turn(monkeypatch):
    """With a clock that only the products move."""
    now, order = [0.0], []
    monkeypatch.setattr(auto.time, "perf_counter", lambda: now[0])

    def product(kind, seconds):
        def call():
            order.append(kind)
            now[0] += seconds

        return call

    products = {"dense": product("dense", 0.02), "sparse": product("sparse", 0.01)}
    found = auto.time_in_turn(products, lambda product: product())
    assert found == {"dense": pytest.approx(0.02), "sparse": pytest.approx(0.01)}
    assert order == ["dense", "sparse"] * (len(order) // 2)
    assert len(order) // 2 - 1 >= auto.ROUNDS
