#!/usr/bin/env python3
"""Train, prune, retrain, compress and translate a small real problem with the real commands.

    python scripts/demo.py --out demo

Prints each command before it runs, so that it can be copied. What is finished is
skipped, so a second run, or one after an interruption, goes on where it was.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

# models this small gain little from a second core, and lose much where it is busy
os.environ.setdefault("OMP_NUM_THREADS", "1")

BIN = Path(sys.executable).parent
HERE = Path(__file__).resolve().parent
SPARSITY = 0.8

#: What dense training and retraining have in common. The paper's range of 0.1 is for layers
#: of 1000; what counts is the range times the root of the layer's size.
TRAIN = """
    --user-dir fairseq_prune --arch pruned_lstm_nmt --hidden-size 128 --num-layers 2
    --init-range 0.3 --dropout 0.1 --criterion label_smoothed_cross_entropy --label-smoothing 0.1
    --max-tokens 2000 --required-batch-size-multiple 1 --clip-norm 5 --lr-scheduler luong
    --seed 1 --cpu --num-workers 0 --no-epoch-checkpoints --log-format simple --log-interval 50
"""
DENSE = """
    --task translation --optimizer adam --lr 0.004 --max-epoch 3
    --lr-decay-start 2 --lr-decay-every 0.25
"""
RETRAIN = """
    --task pruned_translation --optimizer pruned_adam --lr 0.004 --max-epoch 1
    --lr-epoch-updates 234 --lr-decay-start 0.5 --lr-decay-every 0.125
"""
SEARCH = "--beam 5 --batch-size 100 --remove-bpe sentencepiece"
GENERATE = f"""
    --user-dir fairseq_prune {SEARCH} --required-batch-size-multiple 1 --scoring sacrebleu --cpu
    --num-workers 0
"""
#: Rounds to 65% and 80%, an epoch each.
COMPRESS = "--sparsity 0.8 --epochs 2 --test test --cpu"


class Step:
    """Commands that make ``product``; run only if it is not there yet."""

    def __init__(self, title: str, product: Path, log: Path):
        self.title, self.product, self.log = title, product, log

    def run(self, *command, keep_output: bool = False) -> None:
        """Run one command; its output goes to the log, or is itself the product."""
        command = [str(part) for part in command]
        shown = [part.replace(str(BIN) + "/", "") for part in command]
        print(f"\n== {self.title}\n$ " + " ".join(map(shlex.quote, shown)), flush=True)
        if self.product.exists():
            print("   done before")
            return
        started = time.time()
        output = self.product.with_name(self.product.name + ".partial") if keep_output else self.log
        with open(output, "w") as f:
            status = subprocess.run(command, stdout=f, stderr=subprocess.STDOUT).returncode
        if status != 0:
            print("".join(open(output).readlines()[-15:]))
            sys.exit(
                f"demo: error: {Path(command[0]).name} failed; all of its output is in {output}"
            )
        if keep_output:
            output.replace(self.product)
        print(f"   {time.time() - started:.0f} s", flush=True)


def train(out: Path, name: str, options: str, *more) -> Path:
    folder = out / name
    finished = folder / "finished"
    step = Step(f"training: {name}", finished, out / f"{name}.log")
    folder.mkdir(exist_ok=True)
    step.run(
        BIN / "fairseq-train", out / "data", *TRAIN.split(), *options.split(), *more,
        "--save-dir", folder,
    )  # fmt: skip
    finished.touch()
    return folder / "checkpoint_best.pt"


def score(out: Path, name: str, checkpoint: Path) -> dict:
    """Perplexity on the validation set, BLEU on the test set, and the checkpoint's sparsity."""
    validated = out / f"{name}.valid.txt"
    Step(f"perplexity: {name}", validated, validated).run(
        BIN / "fairseq-validate", out / "data", "--user-dir", "fairseq_prune",
        "--task", "translation", "--path", checkpoint,
        "--valid-subset", "valid", "--max-tokens", "4000", "--required-batch-size-multiple", "1",
        "--cpu", "--num-workers", "0", keep_output=True,
    )  # fmt: skip
    generated = out / f"{name}.test.txt"
    Step(f"translating: {name}", generated, generated).run(
        BIN / "fairseq-generate", out / "data", "--path", checkpoint, *GENERATE.split(),
        keep_output=True,
    )  # fmt: skip
    hypotheses = write_hypotheses(generated, out / f"{name}.test.de")
    bleu = out / f"{name}.bleu.json"
    Step(f"BLEU: {name}", bleu, bleu).run(
        BIN / "sacrebleu", out / "data/text/test.de", "-i", hypotheses, "-m", "bleu", "-w", "2",
        keep_output=True,
    )  # fmt: skip
    inspected = out / f"{name}.inspect.json"
    Step(f"contents: {name}", inspected, inspected).run(
        BIN / "fairseq-prune", "inspect", checkpoint, "--json", keep_output=True
    )
    found = json_in(inspected)
    return {
        "model": name,
        "sparsity": found["sparsity"] if found["scheme"] else 0.0,
        "nonzero": found["nonzero"],
        "perplexity": float(re.findall(r"\| ppl ([\d.]+)", validated.read_text())[-1]),
        "bleu": json_in(bleu)["score"],
        "signature": json_in(bleu)["signature"],
        "bytes": found["bytes"],
    }


def compress(out: Path, dense: Path) -> dict:
    """All of it in one command; what its card says of the packed file."""
    card = out / "compressed/card.json"
    Step("one command: rounds, a teacher, packing, scores", card, out / "compressed.log").run(
        BIN / "fairseq-prune", "compress", dense, out / "data", "--out", out / "compressed",
        *COMPRESS.split(), "--generate", SEARCH,
    )  # fmt: skip
    found = json_in(card)
    valid, test = found["scores"]
    return {
        "model": "compressed",
        "sparsity": found["sparsity"],
        "nonzero": sum(row["kept"] for row in found["classes"]),
        "perplexity": valid["perplexity"]["packed"],
        "bleu": next(d["system"] for d in test["differences"] if d["metric"] == "BLEU"),
        "bytes": found["sizes"]["packed"],
    }


def write_hypotheses(generated: Path, target: Path) -> Path:
    """The translations that fairseq-generate printed (H lines), in the order of the source."""
    rows = re.findall(r"^H-(\d+)\t[^\t]*\t(.*)$", generated.read_text(), re.MULTILINE)
    rows.sort(key=lambda row: int(row[0]))
    target.write_text("".join(text + "\n" for _, text in rows), encoding="utf-8")
    return target


def json_in(path: Path) -> dict:
    """The JSON object in a file that may hold log lines before it."""
    text = path.read_text()
    return json.loads(text[text.index("{\n") :])


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to work in")
    parser.add_argument("--data-only", action="store_true", help="stop once the data is there")
    args = parser.parse_args(argv)
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.time()

    Step("a parallel corpus", out / "raw/train.de", out / "corpus.log").run(
        sys.executable, HERE / "make_demo_corpus.py", "--out", out / "raw"
    )
    Step(
        "sentencepieces and fairseq-preprocess", out / "data/test.en-de.de.idx", out / "data.log"
    ).run(
        sys.executable,
        HERE / "prepare_data.py",
        "demo",
        "--raw-dir",
        out / "raw",
        "--out",
        out / "data",
    )
    if args.data_only:
        return
    dense = train(out, "dense", DENSE)
    retrained = train(
        out, "retrained", RETRAIN, "--finetune-from-model", dense,
        "--prune-scheme", "class-blind", "--prune-sparsity", SPARSITY,
    )  # fmt: skip
    models = (("dense", dense), ("retrained", retrained))
    rows = [score(out, name, path) for name, path in models]
    rows.append(compress(out, dense))
    print(
        f"\n{'model':<10} {'sparsity':>8} {'nonzero':>9} {'valid ppl':>9} {'BLEU':>6} {'bytes':>10}"
    )
    for row in rows:
        print(
            f"{row['model']:<10} {row['sparsity']:>8.1%} {row['nonzero']:>9,} "
            f"{row['perplexity']:>9.2f} {row['bleu']:>6.2f} {row['bytes']:>10,}"
        )
    print(f"BLEU on {out}/data/text/test.de, {rows[0]['signature']}")
    print("bytes: of the file; the checkpoints of training hold Adam's two moments as well")
    print(f"compressed: {out}/compressed/model.packed; its card is {out}/compressed/card.html")
    print(f"{time.time() - started:.0f} s in all")


if __name__ == "__main__":
    main()
