"""What preparing a corpus takes: folders, texts, downloads, fairseq-preprocess."""

import io
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import List, Sequence


class UserError(Exception):
    """A mistake that one sentence explains."""


def download(urls: Sequence[str], folder: Path) -> None:
    """Fetch what is missing of ``urls`` into ``folder``."""
    make_folder(folder)
    for url in urls:
        path = folder / url.rsplit("/", 1)[1]
        if path.exists():
            continue
        print(f"downloading {url}", flush=True)
        partial = path.with_name(path.name + ".partial")
        try:
            with urllib.request.urlopen(url, timeout=60) as response, open(partial, "wb") as f:
                shutil.copyfileobj(response, f)
                expected = response.headers.get("Content-Length")
                if expected is not None and f.tell() != int(expected):
                    raise OSError(f"{f.tell()} of {expected} bytes came")
        except (urllib.error.URLError, OSError) as error:
            partial.unlink(missing_ok=True)
            raise UserError(
                f"cannot download {url} ({error}); on a machine without network, put the "
                f"corpus' files ({', '.join(u.rsplit('/', 1)[1] for u in urls)}) into "
                f"a folder and name it with --raw-dir"
            )
        partial.replace(path)


def make_folder(path: Path) -> None:
    """--out, or a folder in it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; give another --out")


def clean_lines(file) -> List[str]:
    """The lines of a binary file, which is UTF-8, with one space between words."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
    return [" ".join(line.split()) for line in text]


def write_lines(path: Path, lines) -> None:
    """Write through a temporary name, so that a file that exists is whole."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8", newline="\n") as f:
        f.writelines(line + "\n" for line in lines)
    partial.replace(path)


def read_lines(path: Path):
    with open(path, encoding="utf-8", newline="\n") as f:
        return [line.rstrip("\n") for line in f]


def fairseq_preprocess() -> str:
    """The command of the environment whose Python runs this."""
    found = shutil.which("fairseq-preprocess", path=str(Path(sys.executable).parent))
    if found is None:
        raise UserError(
            f"{sys.executable} has no fairseq-preprocess beside it; run this script with the "
            f"Python of the environment that fairseq is installed in, such as .venv/bin/python"
        )
    return found


def run(command) -> None:
    command = [str(part) for part in command]
    print("$ " + " ".join(shlex.quote(part) for part in command), flush=True)
    subprocess.run(command, check=True)
