"""What tests on a GPU have in common."""

import pytest
import torch
from commands import SMALL

#: For a module's ``pytestmark``.
NEEDS_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
ON_GPU = [a for a in SMALL if a != "--cpu"]
MODES = {
    "fp32": [],
    "fp16": ["--fp16", "--fp16-init-scale", "4"],
    "fp16, not flat": ["--fp16", "--fp16-init-scale", "4", "--fp16-no-flatten-grads"],
    "memory-efficient fp16": ["--memory-efficient-fp16", "--fp16-init-scale", "4"],
    "bf16": ["--bf16"],
    "amp": ["--amp", "--fp16-init-scale", "4"],
}
