#!/usr/bin/env python3
"""Turn a raw parallel corpus into the folder that fairseq-train reads.

    python scripts/prepare_data.py multi30k --out data-bin/multi30k [--raw-dir DIR]

Reads the corpus from --raw-dir, or downloads it there from its public address;
splits it into sentencepieces (or words), and runs fairseq-preprocess. Steps already
done are skipped, so an interrupted run can be started again.
"""

import argparse
import gzip
import subprocess
import sys
import zlib
from pathlib import Path
from typing import List, Optional

from corpora import CORPORA, SPLITS, Corpus
from preparing import (
    UserError,
    clean_lines,
    download,
    fairseq_preprocess,
    make_folder,
    read_lines,
    run,
    write_lines,
)


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "corpus",
        choices=sorted(CORPORA),
        help="\n".join(f"{name}: {c.description}" for name, c in sorted(CORPORA.items())),
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--raw-dir",
        type=Path,
        help="folder with the raw files (plain or .gz);\nwhat is missing there is not downloaded",
    )
    parser.add_argument(
        "--tokens",
        choices=("sentencepiece", "words"),
        default="sentencepiece",
        help="what to split text into (default: sentencepiece)",
    )
    parser.add_argument(
        "--vocab-size", type=int, help="entries in each vocabulary (default: by corpus)"
    )
    parser.add_argument(
        "--joined",
        action="store_true",
        help="one vocabulary for both languages (--joined-dictionary), as large as --vocab-size",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    return parser.parse_args(argv)


def find_raw(folder: Path, name: str, lang: str) -> Optional[Path]:
    """The raw file of one split and language, plain or gzipped, or None."""
    for suffix in ("", ".gz"):
        path = folder / f"{name}.{lang}{suffix}"
        if path.is_file():
            return path
    return None


def copy_text(source: Path, target: Path) -> None:
    """Unpack one raw file to plain UTF-8 text, one sentence a line."""
    opener = gzip.open if source.suffix == ".gz" else open
    try:
        with opener(source, "rb") as f:
            lines = clean_lines(f)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(f"cannot read {source}: {error}")
    write_lines(target, lines)


def drop_empty_pairs(folder: Path, corpus: Corpus, split: str) -> None:
    """Training pairs with an empty side teach nothing; elsewhere every line counts."""
    paths = [folder / f"{split}.{lang}" for lang in (corpus.source, corpus.target)]
    pairs = list(zip(*map(read_lines, paths)))
    kept = [pair for pair in pairs if all(pair)]
    if len(kept) < len(pairs):
        print(f"{split}: left out {len(pairs) - len(kept)} pairs with an empty side")
        for path, lines in zip(paths, zip(*kept)):
            write_lines(path, lines)


def train_sentencepiece(texts: List[Path], prefix: Path, vocab_size: int) -> None:
    """A sentencepiece (BPE) model of one language or several, from their training texts."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        input=",".join(map(str, texts)),
        model_prefix=str(prefix),
        vocab_size=vocab_size,
        model_type="bpe",
        character_coverage=1.0,
        # the references must come back from their pieces exactly as they were
        normalization_rule_name="identity",
        minloglevel=2,
    )


def encode(model: Path, source: Path, target: Path) -> None:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    pieces = processor.encode(read_lines(source), out_type=str)
    write_lines(target, (" ".join(line) for line in pieces))


def prepare(args: argparse.Namespace) -> None:
    corpus = CORPORA[args.corpus]
    languages = (corpus.source, corpus.target)
    # the last file that fairseq-preprocess writes
    if (args.out / f"test.{corpus.source}-{corpus.target}.{corpus.target}.idx").exists():
        print(f"{args.out} is already prepared")
        return
    if args.raw_dir is None and not corpus.urls:
        raise UserError(f"{args.corpus} has no public address; give --raw-dir")
    if args.raw_dir is not None and not args.raw_dir.is_dir():
        raise UserError(f"--raw-dir {args.raw_dir} is not a folder")
    preprocess = fairseq_preprocess()
    text = args.out / "text"
    make_folder(text)

    raw = args.raw_dir or args.out / "raw"
    if args.raw_dir is None:
        download(corpus.urls, raw)
    for split, name in corpus.files.items():
        counts = []
        for lang in languages:
            path = find_raw(raw, name, lang)
            if path is None:
                raise UserError(
                    f"--raw-dir {raw} has no {name}.{lang} nor {name}.{lang}.gz, "
                    f"the {split} text of {args.corpus}"
                )
            copy_text(path, text / f"{split}.{lang}")
            counts.append(len(read_lines(text / f"{split}.{lang}")))
        if counts[0] != counts[1]:
            raise UserError(
                f"{raw}: {name}.{languages[0]} has {counts[0]} lines but "
                f"{name}.{languages[1]} has {counts[1]}; they must be parallel"
            )
    drop_empty_pairs(text, corpus, "train")

    vocab_size = args.vocab_size or corpus.vocab_size
    prefix = text
    if args.tokens == "sentencepiece":
        prefix = args.out / "pieces"
        make_folder(prefix)
        for lang in languages:
            name, read = ("spm", languages) if args.joined else (f"spm.{lang}", [lang])
            model = args.out / f"{name}.model"
            if not model.exists():
                texts = [text / f"train.{each}" for each in read]
                train_sentencepiece(texts, args.out / name, vocab_size)
            for split in SPLITS:
                encode(model, text / f"{split}.{lang}", prefix / f"{split}.{lang}")
    for left_over in args.out.glob("dict.*.txt"):  # fairseq-preprocess refuses to replace them
        left_over.unlink()
    command = [
        preprocess, "--source-lang", corpus.source, "--target-lang", corpus.target,
        "--trainpref", prefix / "train", "--validpref", prefix / "valid",
        "--testpref", prefix / "test", "--destdir", args.out, "--workers", args.workers,
    ]  # fmt: skip
    if args.tokens == "words":
        command += ["--nwordssrc", vocab_size, "--nwordstgt", vocab_size]
    if args.joined:
        command += ["--joined-dictionary"]
    run(command)


def main(argv=None) -> None:
    args = parse_args(argv)
    try:
        prepare(args)
    except (UserError, OSError) as error:
        sys.exit(f"prepare_data: error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"prepare_data: error: {Path(error.cmd[0]).name} failed, see above")


if __name__ == "__main__":
    main()
