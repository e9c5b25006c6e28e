"""How much larger than its file a model may be: a few bytes must not claim all memory."""

from ..errors import PruneError

#: Bytes of the model for one of the file. fp32 at 99.9% pruned is about 740.
LIMIT = 10_000


def check_claim(model_bytes: int, file_bytes: int, path: str) -> None:
    """Raise PruneError if a model of ``model_bytes`` is said to lie in ``file_bytes``."""
    if model_bytes > LIMIT * max(file_bytes, 1):
        raise PruneError(
            f"{path} would hold a model of {model_bytes:,} bytes in {file_bytes:,}, more than "
            f"{LIMIT:,} times as many: there is nothing left of it, or it is forged"
        )
