"""The least sparsity with which a packed file is no larger than it may be."""

import os
import tempfile
from typing import Callable, Dict, Mapping, Tuple

from ...analysis.choose import choose_for
from ...checkpoints.packed.pack_file import pack_checkpoint
from ...checkpoints.prune_file import prune_checkpoint
from ...packed.texts import Text
from ...pruning import PruneError
from ...pruning.choice import Choice
from .model import write_model

#: Sparsities are tried in steps of this.
STEP = 0.001
HIGHEST = 0.99
#: For what training adds to the configuration, and for masks that are less regular.
MARGIN, SHARE = 2048, 0.005


def least_sparsity(
    checkpoint: str,
    scheme: str,
    values: str,
    most: int,
    before: float,
    say: Callable[[str], None],
    texts: Mapping[str, Text],
) -> Tuple[float, int]:
    """By pruning by magnitude and packing, in files that are gone afterwards.

    Args:
        values: as of ``pack_checkpoint``.
        most: bytes.
        before: sparsity of the checkpoint.
        texts: what goes into the packed file, too.
    Returns:
        the sparsity, and how many bytes are to be expected.
    Raises:
        PruneError: none will do, or none is needed.
    """
    allowed = most - MARGIN - SHARE * most
    with tempfile.TemporaryDirectory() as folder:
        names = ("pruned.pt", "model.pt", "model.packed")
        pruned, model, packed = (os.path.join(folder, name) for name in names)

        def size(sparsity: float) -> int:
            source = checkpoint
            if sparsity > before:
                choose = choose_for(checkpoint, Choice(scheme, "magnitude"), sparsity)
                prune_checkpoint(checkpoint, pruned, choose, sparsity)
                write_model(pruned, model, {}, {})
                source = model
            packed_bytes = pack_checkpoint(source, packed, values, texts=texts).file_bytes
            say(f"at {100 * sparsity:.4g}% it packs into {packed_bytes:,} bytes")
            sizes[sparsity] = packed_bytes
            return packed_bytes

        sizes: Dict[float, int] = {}
        if size(before) <= most:
            raise PruneError(
                f"{checkpoint} packs into no more than --max-bytes {most:,} as it is; "
                f"fairseq-prune pack does it"
            )
        low, high = int(before / STEP), round(HIGHEST / STEP)  # does not fit, fits
        least = size(high * STEP)
        if least > allowed:
            raise PruneError(
                f"no sparsity up to {HIGHEST:.0%} packs {checkpoint} into --max-bytes {most:,}: "
                f"at that it has {least:,} bytes; give more, or coarser --values"
            )
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if size(middle * STEP) <= allowed else (middle, high)
    return round(high * STEP, 3), sizes[high * STEP]
