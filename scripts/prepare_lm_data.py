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
from pathlib import Path

from corpora import SPLITS
from prepare_data import UserError, copy_text, download, run

#: Mikolov's, with the corpus under data/.
PTB_URL = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
#: corpus -> what its files are called
FILES = {"ptb": "ptb.{split}.txt", "demo": "{split}.en", "lines": "{split}.txt"}


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", choices=sorted(FILES), help=__doc__.split("\n\n")[2])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--raw-dir", type=Path, help="folder with the text, or with its archive")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    return parser.parse_args(argv)


def extract(folder: Path, name: str, to: Path) -> bool:
    """Write file ``name`` of ``folder``, or of an archive there; whether it was there."""
    if (folder / name).is_file():
        copy_text(folder / name, to)
        return True
    try:
        for path in sorted(folder.glob("*.zip")):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if Path(member).name == name:
                        write_bytes(to, archive.read(member))
                        return True
        for path in sorted(folder.glob("*.tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    if Path(member.name).name == name and "/data/" in f"/{member.name}":
                        write_bytes(to, archive.extractfile(member).read())
                        return True
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return False


def write_bytes(to: Path, content: bytes) -> None:
    raw = to.with_name(to.name + ".raw")
    raw.write_bytes(content)
    copy_text(raw, to)
    raw.unlink()


def prepare(args: argparse.Namespace) -> None:
    if (args.out / "test.idx").exists():  # the last file that fairseq-preprocess writes
        print(f"{args.out} is already prepared")
        return
    if args.raw_dir is None and args.corpus != "ptb":
        raise UserError(f"{args.corpus} has no public address; give --raw-dir")
    if args.raw_dir is not None and not args.raw_dir.is_dir():
        raise UserError(f"--raw-dir {args.raw_dir} is not a folder")
    text = args.out / "text"
    text.mkdir(parents=True, exist_ok=True)
    raw = args.raw_dir or args.out / "raw"
    if args.raw_dir is None:
        download((PTB_URL,), raw)
    for split in SPLITS:
        name = FILES[args.corpus].format(split=split)
        if not extract(raw, name, text / f"{split}.txt"):
            raise UserError(f"--raw-dir {raw} has no {name}, nor an archive with it")
    (args.out / "dict.txt").unlink(missing_ok=True)  # fairseq-preprocess refuses to replace it
    run([
        Path(sys.executable).with_name("fairseq-preprocess"), "--only-source",
        "--trainpref", text / "train.txt", "--validpref", text / "valid.txt",
        "--testpref", text / "test.txt", "--destdir", args.out, "--workers", args.workers,
        "--padding-factor", 1,  # no words that are none
    ])  # fmt: skip


def main(argv=None) -> None:
    args = parse_args(argv)
    try:
        prepare(args)
    except UserError as error:
        sys.exit(f"prepare_lm_data: error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"prepare_lm_data: error: {Path(error.cmd[0]).name} failed, see above")


if __name__ == "__main__":
    main()
