"""The model card: what it says, and that what files are called stays text."""

import pytest

from fairseq_prune.experiments.compress.card_page import markdown, page
from fairseq_prune.experiments.compress.card_tables import (
    commands,
    missed,
    notes,
    sections,
    summary,
)

DIFFERENCE = {
    "metric": "BLEU", "baseline": 30.0, "system": 29.5, "intervals": (1.0, 1.1), "p": 0.03,
    "signature": "seed:12345",
}  # fmt: skip


@pytest.fixture
def content():
    return {
        "checkpoint": "<script>x|y</script>.pt", "recipe": "rounds", "about": "prunes", "kept": 2,
        "averaged": True, "metric": "bleu", "max_loss": 0.5, "losses": [0.1, 0.4, 0.9],
        "max_bytes": None, "sparsity": 0.8,
        "values": "int8",
        "sizes": {"dense": 4000, "checkpoint": 12000, "pruned_checkpoint": 4100, "packed": 1000},
        "scores": [
            {"subset": "valid", "perplexity": {"dense": 5.0, "packed": 5.25}, "sentences": 9,
             "identical": 3, "differences": [DIFFERENCE, {**DIFFERENCE, "metric": "chrF",
                                                         "p": 0.4}]}
        ],
        "speeds": {"unit": "sentences", "dense": 2.0, "packed": 5.0, "runtime": "auto",
                   "subset": "valid", "count": 9, "threads": 1},
        "rounds": [
            {"sparsity": x, "command": ["fairseq-train", "a b"], "seconds": 1.0,
             "validations": [{"updates": 6, "loss": 2.5}]}
            for x in (0.6, 0.8, 0.9)
        ],
        "classes": [{"class": "softmax|x", "weights": 10, "kept": 2, "density": 0.2}],
        "argv": ["fairseq-prune", "compress"], "model": ["fairseq-prune", "average"],
        "pack": ["fairseq-prune", "pack"], "versions": {"torch": "1"},
    }  # fmt: skip


def test_what_it_says(content):
    said = summary(content)
    assert "pruned to 80.00% in 2 rounds and packed in int8: 4.0 times fewer bytes" in said
    assert "Of round 2, the mean of its last epochs was kept" in said
    tables = dict(sections(content))
    assert [row[3] for row in tables["Scores"][1]] == ["-0.50", "-0.50", "+0.250"]
    assert tables["Speed"][1][0][3] == "2.50"
    assert [row[0] for row in tables["Rounds"][1]] == ["1", "2 (kept)", "3"]
    said = notes(content)
    assert "difference in BLEU is significant" in said[0]
    assert "difference in chrF is not significant" in said[1]
    assert "At most 0.5 bleu was to be lost" in said[-1] and "+0.90" in said[-1]
    assert commands(content)[1] == "fairseq-train 'a b'"


def test_bytes_that_are_more(content):
    content["sizes"]["packed"] = 6000
    assert "1.5 times as many bytes" in summary(content)


def test_a_size_that_is_missed(content):
    assert missed(content) is None and missed({**content, "max_bytes": 1000}) is None
    content["max_bytes"] = 999
    assert missed(content) == "model.packed has 1,000 bytes, more than --max-bytes 999"
    assert summary(content).endswith(f"{missed(content)}.")


def test_names_stay_text(content):
    assert "<script>" not in page(content, "", [])
    lines = markdown(content, ["rounds"]).splitlines()
    assert "| softmax\\|x | 10 | 2 | 80.00% |" in lines
    assert "![Validation loss in each round of retraining.](rounds.png)" in lines
    heads = {len(line.replace("\\|", "").split("|")) for line in lines if "weight class" in line}
    assert heads == {6}
