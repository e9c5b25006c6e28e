"""What a packed file needs besides its model to translate text: where it is found.

Dictionaries are those of the data. What cuts text into their words is what is asked for, by
fairseq's names, or what the data folder has under a usual name. A checkpoint says of what kind
that was; where it names files elsewhere, they are not looked for: it may be anyone's.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from ..errors import OPTION, OptionError, PruneError
from ..packed.dictionary import Dictionary, cut_by
from ..packed.texts import (
    SOURCE,
    SUBWORD,
    SUBWORDS,
    TARGET,
    TOKENIZER,
    TOKENIZERS,
    Text,
)
from .data_of import ENCODERS, find_data
from .dictionaries import check_dictionaries, find_dictionaries
from .packed.write_texts import texts_of
from .reading import read_checkpoint
from .subwords import fitting_subword, read_subword, subword_in

NONE = "none"

MISSING = "the dictionaries are not stored: {}, for fairseq-prune translate needs them"


@dataclass(frozen=True)
class TextOptions:
    """As ``fairseq-interactive`` has them; None: what is found."""

    bpe: Optional[str] = None
    codes: Optional[str] = None
    tokenizer: Optional[str] = None

    def __post_init__(self):
        for option, value, known in (
            ("bpe", self.bpe, SUBWORDS), ("tokenizer", self.tokenizer, TOKENIZERS),
        ):  # fmt: skip
            if value not in (None, NONE, *known):
                raise OptionError(
                    f"{OPTION}{option} {value}: choose one of {', '.join((*known, NONE))}"
                )
        if self.codes is not None and self.bpe in (None, NONE):
            kinds = f" or {OPTION}bpe ".join(SUBWORDS)
            raise OptionError(
                f"{OPTION}bpe-codes {self.codes}: say what it is by {OPTION}bpe {kinds}"
            )


@dataclass(frozen=True)
class Found:
    """
    Attributes:
        dictionaries: fingerprints of the dictionaries.
        texts: by name; none where the data are not there.
        notes: what was taken without being asked for, and what is missing.
    """

    dictionaries: Dict[str, str]
    texts: Dict[str, Text] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)


#: Whatever is found.
ANYTHING = TextOptions()


def find_texts(checkpoint: str, data: Optional[str] = None, asked: TextOptions = ANYTHING) -> Found:
    """Those for the model in ``checkpoint``.

    Args:
        data: folder with the dictionaries; by default they are taken from ``checkpoint``, if it is
            a packed file that has them, or else from the data that it was trained on.
    Raises:
        PruneError: ``data`` has no dictionaries, or others; what is asked for is not there.
    """
    state = read_checkpoint(checkpoint)
    noted = find_dictionaries(state)
    texts = texts_of(checkpoint) if data is None else {}
    if SOURCE in texts and asked == ANYTHING:
        return Found(noted, texts)
    try:
        trained_on = find_data(checkpoint, state, data, with_dictionaries=SOURCE not in texts)
        check_dictionaries(checkpoint, noted, trained_on.fingerprints)
    except PruneError as error:
        if data is not None or asked != ANYTHING:
            raise
        return Found(noted, {}, [MISSING.format(f"{error}; give --data")])
    noted = dict(trained_on.fingerprints) or noted
    try:
        texts = texts or trained_on.texts()
    except PruneError as error:
        return Found(noted, {}, [MISSING.format(error)])
    if SOURCE not in texts:
        return Found(noted)
    notes: List[str] = []
    bpe, tokenizer = (trained_on.encoders[kind] for kind in ENCODERS)
    all_texts = {
        **texts,
        SUBWORD: _subword(asked, texts, bpe["_name"], trained_on.folder, notes),
        TOKENIZER: _tokenizer(asked, texts, tokenizer, notes),
    }
    return Found(noted, {name: text for name, text in all_texts.items() if text is not None}, notes)


def _subword(
    asked: TextOptions,
    texts: Mapping[str, Text],
    named: Optional[str],
    folder: str,
    notes: List[str],
) -> Optional[Text]:
    if asked.bpe == NONE:
        return None
    if asked.bpe is None and SUBWORD in texts:
        return texts[SUBWORD]
    language = texts[SOURCE].language
    if asked.bpe is not None and asked.codes is not None:
        return read_subword(asked.bpe, asked.codes, language)
    if asked.bpe is not None:
        return subword_in(folder, asked.bpe, language)
    words = Dictionary(texts[SOURCE].raw or b"").symbols
    fitting = fitting_subword(folder, SUBWORDS if named is None else [named], language, words)
    if fitting is not None:
        notes.append(f"text will be cut by {fitting[0]}; --bpe none leaves it out")
        return fitting[1]
    if named is not None or cut_by(words) is not None:
        notes.append(
            f"what cuts text into the dictionary's words ({named or cut_by(words)}) is not stored, "
            f"so that it translates text that is cut already; give --bpe and --bpe-codes"
        )
    return None


def _tokenizer(
    asked: TextOptions, texts: Mapping[str, Text], named: Mapping[str, Any], notes: List[str]
) -> Optional[Text]:
    if asked.tokenizer == NONE:
        return None
    if asked.tokenizer is None and TOKENIZER in texts:
        return texts[TOKENIZER]
    name = named["_name"]
    kind = asked.tokenizer or name
    if kind is None:
        return None
    if kind not in TOKENIZERS:
        notes.append(f"its tokenizer, {kind}, is not stored: give translate what it makes of text")
        return None
    if asked.tokenizer is None:
        notes.append(f"text will be cut into words by {kind}; --tokenizer none leaves it out")
    target = texts[TARGET].language if TARGET in texts else None
    options: Dict[str, Any] = {"target_language": target}
    if name == kind:
        options.update({k: bool(named.get(f"moses_{k}")) for k in ("no_dash_splits", "no_escape")})
    return Text(kind, None, texts[SOURCE].language, options)
