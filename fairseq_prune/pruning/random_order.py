"""Weights in a random order: the control that any score has to beat."""

import hashlib
from typing import Dict

import torch
from torch import Tensor

from .score import Inputs, Score, Scorer


def random(inputs: Inputs, seed: int = 1) -> Dict[str, Scorer]:
    """A uniform number in [0, 1) for each weight, from its name, its position and a seed.

    A hash, not a stream: the same weight has the same number however it is cut into pieces.
    """
    return {name: _random_of(name, seed) for name in inputs.weights}


RANDOM = Score(random)


def _random_of(name: str, seed: int) -> Scorer:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    start = int.from_bytes(digest[:8], "little", signed=True)

    def scorer(piece: Tensor, position: int) -> Tensor:
        places = torch.arange(position, position + piece.numel(), device=piece.device)
        return (_mixed(places + start) & 0xFFFFFF).float() / (1 << 24)

    return scorer


def _mixed(numbers: Tensor) -> Tensor:
    """Steele, Lea and Flood 2014 (splitmix64): a hash of int64 numbers, which wrap around."""
    mixed = numbers * -0x61C8864680B583EB
    mixed = (mixed ^ _shifted(mixed, 30)) * -0x40A7B892E31B1A47
    mixed = (mixed ^ _shifted(mixed, 27)) * -0x6B2FB644ECCEEE15
    return mixed ^ _shifted(mixed, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """To the right, zeros following."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)
