"""Which entries of a fairseq state dict are parameters."""

import re
from typing import Any, Dict, Mapping

#: Copies that stock fairseq's transformer makes of its own weights whenever it loads them.
COPIES = r"layers\.\d+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)$"

#: What the names of buffers end in, in torch and in fairseq.
BUFFERS = (
    ".version", "._float_tensor", ".embed_positions.weights", ".running_mean", ".running_var",
    ".num_batches_tracked", ".inv_freq", ".basis", ".emb", ".means", ".initted", ".assignments",
    ".counts",
)  # fmt: skip


def is_copy(name: str) -> bool:
    """Whether a parameter is a copy that fairseq's transformer makes of others on loading."""
    return re.search(COPIES, name) is not None


def without_copies(model: Mapping[str, Any]) -> Dict[str, Any]:
    """The entries of a state dict that are no such copies."""
    return {name: value for name, value in model.items() if not is_copy(name)}


def is_parameter(name: str, value: Any) -> bool:
    """Whether an entry is a parameter: no buffer, no such copy.

    Args:
        value: a tensor or what stands for one; of anything else, False.
    """
    dtype = getattr(value, "dtype", None)
    return (
        dtype is not None
        and dtype.is_floating_point
        and not f".{name}".endswith(BUFFERS)
        and not is_copy(name)
    )
