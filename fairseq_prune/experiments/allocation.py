"""How a training on the CPU gets its memory."""

from typing import Dict, Mapping

#: glibc's malloc (2.26 and later; others do not read this): freed memory stays with the process,
#: instead of going back to the system and coming again, page by page, each zeroed, for the next
#: batch's activations, an eighth of a small training's time (docs/benchmarks.md); in huge pages
#: from 2.35 on.
TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {
        "mmap_max": 0,  # large blocks from the heap, too
        "arena_max": 1,  # the heap of all threads: others cannot hold large blocks
        "trim_threshold": 1 << 62,  # bytes free at its end from which it shrinks
        "top_pad": 64 << 20,  # bytes by which it grows
        "hugetlb": 1,
    }.items()
)


def keep_freed_memory(env: Mapping[str, str]) -> Dict[str, str]:
    """``env`` for a command whose malloc keeps what is freed; a user's own settings stay."""
    return {"GLIBC_TUNABLES": TUNABLES, **env}
