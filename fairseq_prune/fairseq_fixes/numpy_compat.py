"""``numpy.compat``, which numpy >= 2.4 has no more, where fairseq uses it."""

import types

import numpy
from fairseq.data import language_pair_dataset, token_block_dataset


class _Numpy(types.ModuleType):
    compat = types.SimpleNamespace(long=int)

    def __getattr__(self, name):
        return getattr(numpy, name)


def have_numpy_compat() -> None:
    """Let lines of text be blocks, and batches be buckets (``--num-batch-buckets``)."""
    if not hasattr(numpy, "compat"):
        for module in (language_pair_dataset, token_block_dataset):
            module.np = _Numpy("numpy")
