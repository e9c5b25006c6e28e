"""The data that a model was trained on, as its checkpoint tells: folder, dictionaries, encoders.

fairseq knows all of it, and takes seconds to be asked. For the usual tasks what is in the files is
read here, where it is as fairseq would write it; else it is asked after all.
"""

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional

from ..packed.dictionary import OVERWRITE, Dictionary, fingerprint
from ..packed.texts import DICTIONARY, SOURCE, TARGET, Text
from ..pruning import PruneError

#: What turns text into words, as sections of a configuration.
ENCODERS = ("bpe", "tokenizer")


@dataclass(frozen=True)
class Data:
    """
    Attributes:
        folder: the first of its folders.
        encoders: kind -> options that the training was given, its name as "_name"; whether those
            that name files are among them is not said.
        fingerprints: of its dictionaries; none where they were not asked for.
        texts: makes the dictionaries, by side. Raises PruneError if no dict.txt can hold them.
    """

    folder: str
    encoders: Mapping[str, Mapping[str, Any]]
    fingerprints: Mapping[str, str]
    texts: Callable[[], Dict[str, Text]]


def find_data(
    checkpoint: str, state: Mapping[str, Any], data: Optional[str], with_dictionaries: bool
) -> Data:
    """
    Args:
        state: what is in ``checkpoint``.
        data: folder; by default that which it was trained on.
    Raises:
        PruneError: the dictionaries are not there.
    """
    plain = _plain_data(checkpoint, state, data, with_dictionaries)
    if plain is not None:
        return plain
    from ..loading.data_by_fairseq import data_by_fairseq

    return data_by_fairseq(checkpoint, data, with_dictionaries)


def no_data(folder: str, checkpoint: str) -> PruneError:
    return PruneError(f"there is no folder {folder} with the data of {checkpoint}")


def first_folder(data: str) -> str:
    return data.split(os.pathsep)[0]


def _plain_data(
    checkpoint: str, state: Mapping[str, Any], data: Optional[str], with_dictionaries: bool
) -> Optional[Data]:
    """None where only fairseq can tell."""
    cfg = state.get("cfg")
    if type(cfg) is not dict or type(cfg.get("task")) is not dict:
        return None
    task = {**cfg["task"], **({} if data is None else {"data": data})}
    options = ((kind, _encoder(cfg.get(kind))) for kind in ENCODERS)
    encoders = {kind: plain for kind, plain in options if plain is not None}
    where = task.get("data")
    if (
        not isinstance(where, str)
        or "${" in where
        or "://" in where
        or len(encoders) < len(ENCODERS)
    ):
        return None
    if with_dictionaries:
        if not os.path.isdir(first_folder(where)):
            raise no_data(where, checkpoint)
        task.update(_languages(first_folder(where), task))
    names = _dictionaries(task) if with_dictionaries else {}
    if names is None:
        return None
    texts: Dict[str, Text] = {}
    for side, name in names.items():
        text = _dictionary(os.path.join(first_folder(where), name), task.get(f"{side}_lang"))
        if text is None:
            return None
        texts[side] = text
    fingerprints = {
        side: fingerprint(Dictionary(text.raw or b"").symbols) for side, text in texts.items()
    }
    return Data(first_folder(where), encoders, fingerprints, lambda: texts)


def _encoder(section: Any) -> Optional[Dict[str, Any]]:
    """Its options; None if they are not plain."""
    options = section if isinstance(section, dict) else {"_name": section}
    name = options.get("_name")
    plain = all(not isinstance(value, str) or "${" not in value for value in options.values())
    return {**options, "_name": name} if plain and isinstance(name, (str, type(None))) else None


def _languages(folder: str, task: Mapping[str, Any]) -> Dict[str, str]:
    """Those that the files show where the training was not told, if all show the same."""
    if task.get("source_lang") is not None or task.get("target_lang") is not None:
        return {}
    parts = (name.split(".") for name in os.listdir(folder))
    pairs = {tuple(part[1].split("-")) for part in parts if len(part) >= 3}
    pairs = {pair for pair in pairs if len(pair) == 2}
    if len(pairs) != 1:
        return {}
    return dict(zip(("source_lang", "target_lang"), pairs.pop()))


def _dictionaries(task: Mapping[str, Any]) -> Optional[Dict[str, str]]:
    """Side -> the file of its dictionary, of the tasks that are told to be what they are."""
    kind = task.get("_name")
    if kind in ("language_modeling", "pruned_language_modeling"):
        all_words = task.get("output_dictionary_size", -1) == -1
        return {side: "dict.txt" for side in (SOURCE, TARGET)} if all_words else None
    if kind in ("translation", "pruned_translation"):
        languages = {side: task.get(f"{side}_lang") for side in (SOURCE, TARGET)}
        if all(isinstance(x, str) and x.isidentifier() for x in languages.values()):
            return {side: f"dict.{language}.txt" for side, language in languages.items()}
    return None


def _dictionary(path: str, language: Optional[str]) -> Optional[Text]:
    """None unless fairseq would write the file as it is, each word once."""
    try:
        with open(path, "rb") as f:
            raw = f.read()
        words = Dictionary(raw).symbols
    except (OSError, PruneError):
        return None
    lines = raw.decode("utf-8").split("\n")
    plain = lines.pop() == "" and not any(x in raw.decode("utf-8") for x in (OVERWRITE, "\r"))
    plain = plain and all(
        line.startswith(f"{word} ") and re.fullmatch("0|[1-9][0-9]*", line[len(word) + 1 :])
        for line, word in zip(lines, words[-len(lines) :])
    )
    return Text(DICTIONARY, raw, language) if plain and lines else None
