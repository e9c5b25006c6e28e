"""The corpora that prepare_data.py knows: where they are, what their files are called."""

from dataclasses import dataclass
from typing import Dict, Tuple

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Corpus:
    """A public parallel corpus: where its files are and what they are called."""

    source: str
    target: str
    files: Dict[str, str]  # split -> file name without ".LANG[.gz]"
    urls: Tuple[str, ...]  # archives, or one file an address where suffix is given
    vocab_size: int
    description: str


_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
_IWSLT15 = "https://nlp.stanford.edu/projects/nmt/data/iwslt15.en-vi/"
_WMT14 = "https://nlp.stanford.edu/projects/nmt/data/wmt14.en-de/"

CORPORA = {
    "demo": Corpus(
        source="en",
        target="de",
        files={split: split for split in SPLITS},
        urls=(),
        vocab_size=400,
        description="what scripts/make_demo_corpus.py wrote; needs --raw-dir",
    ),
    "multi30k": Corpus(
        source="en",
        target="de",
        files={"train": "train", "valid": "val", "test": "test_2016_flickr"},
        urls=tuple(
            f"{_MULTI30K}{name}.{lang}.gz"
            for name in ("train", "val", "test_2016_flickr")
            for lang in ("en", "de")
        ),
        vocab_size=5000,
        description="Multi30k task 1, English-German (Elliott et al. 2016)",
    ),
    "iwslt15_vi_en": Corpus(
        source="vi",
        target="en",
        files={"train": "train", "valid": "tst2012", "test": "tst2013"},
        urls=tuple(
            f"{_IWSLT15}{name}.{lang}"
            for name in ("train", "tst2012", "tst2013")
            for lang in ("vi", "en")
        ),
        vocab_size=8000,
        description="IWSLT'15 Vietnamese-English (WIT3, Cettolo et al. 2012)",
    ),
    "wmt14_en_de": Corpus(
        source="en",
        target="de",
        files={"train": "train", "valid": "newstest2013", "test": "newstest2014"},
        urls=tuple(
            f"{_WMT14}{name}.{lang}"
            for name in ("train", "newstest2013", "newstest2014")
            for lang in ("en", "de")
        ),
        vocab_size=50000,
        description="WMT'14 English-German, 4.5 M pairs, as Luong et al. 2015 used it",
    ),
}
