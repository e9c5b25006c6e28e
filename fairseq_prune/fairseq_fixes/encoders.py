"""What turns text into the words of a model's dictionaries, as its file has it."""

import logging
from typing import Any, MutableMapping

from ..checkpoints.configuration import is_section, settings_of

logger = logging.getLogger("fairseq_prune")

#: What encodes text, and which of those need no file and no network.
ENCODERS = {"bpe": ("bytes", "characters"), "tokenizer": ("moses", "nltk", "space")}


def leave_out_encoders(path: str, cfg: Any, given: MutableMapping[str, Any]) -> None:
    """Take the BPE and the tokenizer out of ``cfg`` if they would read files, or fetch them.

    Args:
        given: options that the user has set, which may name their files.
    """
    for kind, harmless in ENCODERS.items():
        section = cfg.get(kind)
        options = settings_of(section)
        name = options.get("_name") if is_section(section) else section
        if name is None or name in harmless or given.get(kind) == name:
            continue
        if any(option in given for option in options):
            continue
        cfg[kind] = None
        logger.warning(
            f"{path}: its {kind}, {name}, is left out, as it reads other files or fetches them; to "
            f"have it, give {kind}={name!r} and the options with its files"
        )
