"""The data that a model was trained on, as fairseq's own task finds it."""

from typing import Dict, Optional

from fairseq.tasks import FairseqTask

from ..checkpoints.configuration import is_section, settings_of, without_omegaconf
from ..checkpoints.data_of import ENCODERS, Data, first_folder
from ..checkpoints.dictionaries import dictionaries_of, fingerprints
from ..packed.dictionary import dictionary_text
from ..packed.texts import DICTIONARY, Text
from .task_of import config_of, options_of, set_up


def data_by_fairseq(checkpoint: str, data: Optional[str], with_dictionaries: bool) -> Data:
    """As ``find_data``, of any task and of checkpoints of all times."""
    cfg = config_of(checkpoint, data)
    task = set_up(cfg, checkpoint) if with_dictionaries else None
    options = options_of(cfg)
    encoders = {}
    for kind in ENCODERS:
        section = without_omegaconf(cfg[kind] if kind in cfg else None)
        given = settings_of(section) if is_section(section) else {"_name": section}
        name = given.get("_name")
        encoders[kind] = {**given, "_name": name if isinstance(name, str) else None}
    folder = first_folder(str(options["data"] if "data" in options else ""))
    of_dictionaries = {} if task is None else fingerprints(task)
    return Data(folder, encoders, of_dictionaries, lambda: {} if task is None else _texts(task))


def _texts(task: FairseqTask) -> Dict[str, Text]:
    options = getattr(task, "cfg", None) or getattr(task, "args", None)  # languages inferred
    return {
        side: Text(
            DICTIONARY,
            dictionary_text(dictionary.symbols, dictionary.count),
            getattr(options, f"{side}_lang", None),
        )
        for side, dictionary in dictionaries_of(task).items()
    }
