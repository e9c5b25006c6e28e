"""What processes compare of their masks differs where the masks do."""

import itertools

import torch

from fairseq_prune.pruning import make_record, prune
from fairseq_prune.tasks.agreement import digest


def record_of(masks):
    weights = {name: mask.float() + 1 for name, mask in masks.items()}
    pruned = prune(weights, dict.fromkeys(weights, "all"), "class-blind", 0.5)
    pruned.masks.update(masks)
    return make_record(pruned, 0.5)


def test_a_digest_tells_masks_apart_by_bits_names_and_shapes():
    torch.manual_seed(0)
    bits = torch.rand(6, 4) < 0.5
    other = bits.clone()
    other[-1, -1] ^= True
    sets = [
        {"w": bits}, {"w": other}, {"v": bits}, {"w": bits.view(4, 6)}, {"w": bits.view(24)},
        {"w": bits, "v": other}, {"w": other, "v": bits}, {"w": bits[:5]},
    ]  # fmt: skip
    found = [digest(record_of(masks)) for masks in sets]
    assert all(0 <= number < 2**62 for number in found)
    assert all(a != b for a, b in itertools.combinations(found, 2))
    again = record_of({"w": bits.clone()})
    # of another pruning that chose the same
    assert digest({**again, "scheme": "class-uniform", "sparsity": 0.3}) == found[0]
