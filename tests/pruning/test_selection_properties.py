"""Any weights hypothesis can think of, against a full sort."""

import pytest
import torch

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fairseq_prune.pruning import Inputs, magnitude, prune, select_lowest  # noqa: E402

# reproducible, and no example database left in the checkout
steady = settings(derandomize=True, deadline=None, database=None, max_examples=200)
any_float = st.floats(allow_nan=False, allow_infinity=False, width=32)
tiny = float(torch.tensor(1e-45))  # the smallest float32
few_values = st.sampled_from([0.0, -0.0, tiny, -tiny, 0.5, -0.5, 2.0])
tensors = st.lists(
    st.one_of(st.lists(any_float, max_size=12), st.lists(few_values, max_size=12)),
    min_size=1,
    max_size=4,
)
fraction = st.floats(0, 1, exclude_max=True)


@steady
@given(tensors, fraction)
def test_selection_is_a_full_sort(brute_force, values, x):
    weights = {f"w{i}": torch.tensor(v, dtype=torch.float32) for i, v in enumerate(values)}
    k = round(x * sum(map(len, values)))
    masks, _ = select_lowest(weights, magnitude(Inputs(weights, {})), k)
    expected = brute_force({f"w{i}": [abs(f) for f in v] for i, v in enumerate(values)}, k)
    assert {n: m.tolist() for n, m in masks.items()} == {n: m.tolist() for n, m in expected.items()}


moderate = st.floats(-100, 100, width=32).filter(lambda f: f == 0 or abs(f) > 1e-6)
matrices = st.lists(st.lists(moderate, min_size=1, max_size=9), min_size=1, max_size=5)


@steady
@given(
    matrices,
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
    fraction,
    st.sampled_from(["class-blind", "class-uniform", "class-distribution"]),
)
def test_schemes_are_a_full_sort(brute_force_masks, values, labels, x, scheme):
    weights = {f"w{i}": torch.tensor(v, dtype=torch.float32) for i, v in enumerate(values)}
    classes = {name: f"class {label}" for name, label in zip(weights, labels)}
    masks = prune(weights, classes, scheme, x).masks
    expected = brute_force_masks(weights, classes, scheme, x)
    assert {n: m.tolist() for n, m in masks.items()} == {n: m.tolist() for n, m in expected.items()}
