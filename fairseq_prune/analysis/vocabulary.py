"""The words that rows of embeddings and softmax stand for."""

import os
from typing import Any, List, Mapping, Optional

from fairseq.data import Dictionary
from fairseq.data.data_utils import infer_language_pair


def read_words(
    data: Optional[str], state: Mapping[str, Any], which: str, rows: List[int]
) -> Optional[List[str]]:
    """The words of ``rows`` in the "source" or "target" dictionary, or None if there is none.

    The folder is ``data`` or, without it, where the checkpoint was trained, if it is still
    there; the languages are the checkpoint's or, as in training, those of the folder's files.
    Language models have one dictionary.
    """
    task = (state.get("cfg") or {}).get("task") or state.get("args")
    settings = task if isinstance(task, Mapping) else vars(task) if task is not None else {}
    folder = str(data or settings.get("data") or "").split(os.pathsep)[0]
    if not os.path.isdir(folder):
        return None
    inferred = dict(zip(("source", "target"), infer_language_pair(folder)))
    language = settings.get(f"{which}_lang") or inferred[which]
    if os.sep in (language or ""):
        return None  # no language: another folder
    path = os.path.join(folder, f"dict.{language}.txt" if language else "dict.txt")
    if not os.path.isfile(path):
        return None
    dictionary = Dictionary.load(path)
    return [dictionary[row] for row in rows] if all(r < len(dictionary) for r in rows) else None
