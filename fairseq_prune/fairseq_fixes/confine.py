"""Configurations of files made to name nothing outside: no other file, no address, no program.

A model's weights are in its file, so the embeddings, checkpoints and codes that it began with are
not needed to build it. The folder of data stays: who loads a model names another, or means it.
"""

import re
from argparse import Namespace
from typing import Any, Dict, List, Mapping, Optional

from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import MODEL_DATACLASS_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY
from omegaconf import MISSING

from ..checkpoints.configuration import is_section, settings_of, texts_of, without_omegaconf
from ..checkpoints.values import NotAValue, value_of
from ..pruning import PruneError

#: The parts of a configuration that a model is built and used by.
SECTIONS = ("model", "task", "bpe", "tokenizer", "generation")

#: Options whose text is a file, even where no slash shows it.
NAMES_A_FILE = re.compile(
    r"(^|_)(path|file|dir|checkpoint|from|dict|dictionary|lexicon|script|model|codes|merges|vocab|"
    r"json|vocab_bpe|shard_ratio|replace_unk|extra_data)$"
)

#: Sections about the run that wrote the file, and their options, which other sections repeat:
#: nothing is built by them.
OF_THE_RUN = {
    name
    for section, field in FairseqConfig.__dataclass_fields__.items()
    if section not in SECTIONS and hasattr(field.type, "__dataclass_fields__")
    for name in (section, *field.type.__dataclass_fields__)
}

#: ``${section.option}``, as fairseq has an option stand for another: the whole of its text.
#: omegaconf knows more, which looks outside of the configuration.
REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")

#: From reference to reference; fairseq's own lead to a value at once.
_MOST_STEPS = 8


def confine(path: str, state: Dict[str, Any]) -> List[str]:
    """Take out of the configuration in ``state`` what names files or addresses.

    Those options are as if they had not been set. What the user sets beside (``--model-overrides``)
    is applied later, and stays.

    Args:
        path: of the file that ``state`` was read from.
    Returns:
        The names of those options.
    Raises:
        PruneError: a setting is none of fairseq's, but would have omegaconf look elsewhere.
    """
    gone: List[str] = []
    cfg, args = without_omegaconf(state.get("cfg")), state.get("args")
    if cfg is not None:
        state["cfg"] = cfg
    if isinstance(cfg, dict):
        _check_references(path, cfg)
        for name in SECTIONS:
            if is_section(cfg.get(name)):
                _take_out(cfg[name], cfg, gone, _defaults(name, cfg[name]))
    if isinstance(args, Namespace):
        _check_references(path, vars(args))
        _take_out(vars(args), vars(args), gone, None)
    return gone


def _check_references(path: str, configuration: Any) -> None:
    for name, text in texts_of(configuration, ""):
        if "${" in text and not REFERENCE.fullmatch(text):
            raise PruneError(
                f"{path} sets its option {name} to {text[:80]!r}, which would be looked up outside "
                f"of it; it is no file of fairseq's, or was forged"
            )


def _take_out(section: Any, cfg: Any, gone: List[str], defaults: Optional[Mapping]) -> None:
    """
    Args:
        defaults: of the options of ``section``, where they are not None. None where fairseq itself
            completes it.
    """
    options = settings_of(section)
    for name, value in list(options.items()):
        if name in OF_THE_RUN:
            continue
        if is_section(value):
            _take_out(value, cfg, gone, {})
            continue
        default = (defaults or {}).get(name)
        texts = [_spelled_out(text, cfg) for _, text in texts_of(value, str(name))]
        if value == default or not any(_names_a_file(str(name), text) for text in texts):
            continue
        gone.append(str(name))
        if defaults is None:
            del options[name]
        else:  # the key stays, for what the user sets in its place
            options[name] = default


def _defaults(name: str, section: Any) -> Dict[str, Any]:
    """Of the options of a section called ``name`` that is set to what ``section`` says it is."""
    registries = {"model": MODEL_DATACLASS_REGISTRY, "task": TASK_DATACLASS_REGISTRY}
    registry = registries.get(name) or REGISTRIES.get(name, {}).get("dataclass_registry", {})
    chosen = registry.get(str(settings_of(section).get("_name")))
    fields = getattr(chosen, "__dataclass_fields__", {})
    return {
        option: field.default
        for option, field in fields.items()
        if isinstance(field.default, str) and field.default != MISSING
    }


def _names_a_file(option: str, text: str) -> bool:
    if option == "data":
        return "://" in text
    if NAMES_A_FILE.search(option):
        return bool(text)
    if "/" not in text:
        return False
    try:
        value_of(text)
    except NotAValue:
        return True
    return '"' in text or "'" in text  # else a division


def _spelled_out(text: str, cfg: Any) -> str:
    """What ``text`` stands for; where that has no end, a path."""
    for _ in range(_MOST_STEPS):
        reference = REFERENCE.fullmatch(text)
        if reference is None:
            return text
        text = str(_find(cfg, reference.group(1)))
    return "/"


def _find(cfg: Any, name: str) -> Any:
    section, *rest = name.split(".")
    # without sections, as options were once stored, only the option's own name counts
    for part in (section, *rest) if section in cfg else rest[-1:]:
        cfg = settings_of(cfg).get(part)
    return cfg
