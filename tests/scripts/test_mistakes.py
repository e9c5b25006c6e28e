"""Scripts tell a user's mistake in one sentence."""

import subprocess
import sys

import pytest
from commands import REPO


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scores_tables.py", "{tmp}/none.jsonl"], "{tmp}/none.jsonl"),
        (["scores_tables.py", "{tmp}/text"], "{tmp}/text is no results.jsonl of a grid"),
        (["scores_tables.py", "{tmp}/pruned"], "there is no dense model of seed 1"),
        (["rare_words.py", "{tmp}", "{tmp}/none.pt"], "checkpoint {tmp}/none.pt does not exist"),
        (["rank_correlation.py", "{tmp}/none.pt", "{tmp}"], "checkpoint {tmp}/none.pt does not"),
        (["true_fisher.py", "{tmp}/none.pt", "{tmp}"], "checkpoint {tmp}/none.pt does not exist"),
    ],
)
def test_it(words, said, tmp_path):
    (tmp_path / "text").write_text("BLEU of the dense model\n")
    (tmp_path / "pruned").write_text('{"seed": 1, "kind": "pruned", "perplexity": 2.0}\n')
    script, *others = (word.format(tmp=tmp_path) for word in words)
    command = [sys.executable, str(REPO / "scripts" / script), *others]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{script[:-3]}: error: ") and ended.stderr.count("\n") == 1
    assert said.format(tmp=tmp_path) in ended.stderr
