#!/usr/bin/env python3
"""Turn a corpus for language models into the folder that fairseq-train reads.

    python scripts/prepare_lm_data.py ptb --out data-bin/ptb [--raw-dir DIR]

ptb: the Penn Treebank as Mikolov et al. 2010 prepared it, 10,000 words. Reads
ptb.train.txt, ptb.valid.txt and ptb.test.txt, plain or in ptb.zip, from --raw-dir, or downloads
them. demo: the English side of what scripts/make_demo_corpus.py wrote into --raw-dir.
lines: train.txt, valid.txt and test.txt of --raw-dir.
"""

import argparse
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import List, Optional

from corpora import SPLITS
from preparing import (
    UserError,
    clean_lines,
    download,
    fairseq_preprocess,
    make_folder,
    run,
    write_lines,
)

#: Mikolov's, with the corpus under data/.
PTB_URL = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
#: corpus -> what its files are called
FILES = {"ptb": "ptb.{split}.txt", "demo": "{split}.en", "lines": "{split}.txt"}
#: In --out: the corpus' name.
MARKER = Path("text", "corpus")
#: What damaged, encrypted (RuntimeError) and dangling (KeyError) members raise.
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    UnicodeDecodeError,
)


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", choices=sorted(FILES), help=__doc__.split("\n\n")[2])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--raw-dir", type=Path, help="folder with the text, or with its archive")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    return parser.parse_args(argv)


def find_text(folder: Path, name: str) -> Optional[List[str]]:
    """The lines of file ``name`` of ``folder``, or of an archive there; None if it is nowhere."""
    path = folder / name
    try:
        if path.is_file():
            with open(path, "rb") as file:
                return clean_lines(file)
        for path in sorted(folder.glob("*.zip")):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if Path(member).name == name:
                        return clean_lines(archive.open(member))
        for path in sorted(folder.glob("*.tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    if Path(member.name).name == name and "/data/" in f"/{member.name}":
                        file = archive.extractfile(member)
                        if file is None:
                            raise tarfile.TarError(f"{member.name} is not a file")
                        return clean_lines(file)
    except UNREADABLE as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return None


def is_prepared(out: Path, corpus: str) -> bool:
    """Whether ``out`` is done; UserError if it is another corpus'."""
    if not (out / "test.idx").exists():  # the last file that fairseq-preprocess writes
        return False
    marker = out / MARKER  # older folders have none
    found = marker.read_text(errors="replace").strip() if marker.is_file() else corpus
    if found != corpus:
        raise UserError(f"--out {out} holds another corpus, {found}; give another folder")
    return True


def prepare(args: argparse.Namespace) -> None:
    if is_prepared(args.out, args.corpus):
        print(f"{args.out} is already prepared")
        return
    if args.raw_dir is None and args.corpus != "ptb":
        raise UserError(f"{args.corpus} has no public address; give --raw-dir")
    if args.raw_dir is not None and not args.raw_dir.is_dir():
        raise UserError(f"--raw-dir {args.raw_dir} is not a folder")
    preprocess = fairseq_preprocess()
    raw = args.raw_dir or args.out / "raw"
    if args.raw_dir is None:
        download((PTB_URL,), raw)
    texts = {}  # all are read before any is written
    for split in SPLITS:
        name = FILES[args.corpus].format(split=split)
        texts[split] = find_text(raw, name)
        if texts[split] is None:
            raise UserError(f"--raw-dir {raw} has no {name}, nor an archive with it")
        if not any(texts[split]):
            raise UserError(f"--raw-dir {raw}: {name} is empty, it must hold the {split} text")
    text = args.out / "text"
    make_folder(text)
    write_lines(args.out / MARKER, [args.corpus])
    for split, lines in texts.items():
        write_lines(text / f"{split}.txt", lines)
    (args.out / "dict.txt").unlink(missing_ok=True)  # fairseq-preprocess refuses to replace it
    run([
        preprocess, "--only-source",
        "--trainpref", text / "train.txt", "--validpref", text / "valid.txt",
        "--testpref", text / "test.txt", "--destdir", args.out, "--workers", args.workers,
        "--padding-factor", 1,  # no words that are none
    ])  # fmt: skip


def main(argv=None) -> None:
    args = parse_args(argv)
    try:
        prepare(args)
    except (UserError, OSError) as error:
        sys.exit(f"prepare_lm_data: error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"prepare_lm_data: error: {Path(error.cmd[0]).name} failed, see above")


if __name__ == "__main__":
    main()
