"""--prune-mask-from: sparse from the start, and one checkpoint's weights under another's mask."""

import pytest
import torch
from commands import equal, run, state_of, train

from fairseq_prune.pruning import unpack

TRAIN = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --lr 0.5
    --prune-scheme class-blind --save-interval-updates 1
""".split()


def record_of(path):
    return state_of(path)["last_optimizer_state"]["prune"]


def masks_of(record):
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


class TestMaskFrom:
    def options(self, mask):
        return [a for a in TRAIN if a not in ("--prune-scheme", "class-blind")] + [
            "--prune-mask-from", mask,
        ]  # fmt: skip

    def test_sparse_from_the_start(self, data, dense, retrained, tmp_path):
        """New weights, those of an unpruned run with this seed, under the mask of another."""
        mask = retrained[0] / "checkpoint_best.pt"
        lr0 = ("--lr", "0", "--momentum", "0", "--max-update", "1")
        train(data, tmp_path / "new", "--task", "translation", "--optimizer", "sgd", *lr0)
        train(data, tmp_path / "sparse", *self.options(mask), *lr0)
        new = state_of(tmp_path / "new" / "checkpoint_last.pt")["model"]
        sparse = state_of(tmp_path / "sparse" / "checkpoint_last.pt")["model"]
        kept = masks_of(record_of(mask))
        for name, weight in new.items():
            assert torch.equal(sparse[name], weight * kept[name] if name in kept else weight)

    def test_it_resumes_exactly_and_keeps_the_mask(self, data, retrained, tmp_path):
        mask = retrained[0] / "checkpoint_best.pt"
        train(data, tmp_path / "whole", *self.options(mask), "--max-update", "9")
        train(data, tmp_path / "cut", *self.options(mask), "--max-update", "9", ok=-9,
              prepare=("kill", "at", "update", "4"))  # fmt: skip
        train(data, tmp_path / "cut", *self.options(mask), "--max-update", "9")
        whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
        assert equal(whole["model"], cut["model"])
        assert equal(cut["last_optimizer_state"]["prune"]["masks"], record_of(mask)["masks"])
        assert (tmp_path / "cut" / "checkpoint_best.pt").exists()

    def test_weights_of_one_checkpoint_mask_of_another(self, data, dense, retrained, tmp_path):
        mask = retrained[0] / "checkpoint_best.pt"
        train(data, tmp_path, *self.options(mask), "--finetune-from-model", dense, "--lr", "0",
              "--max-update", "1")  # fmt: skip
        then, now = state_of(dense)["model"], state_of(tmp_path / "checkpoint_last.pt")["model"]
        for name, kept in masks_of(record_of(mask)).items():
            assert torch.equal(now[name], then[name] * kept)

    @pytest.mark.parametrize(
        "extra, said",
        [
            (("--prune-scheme", "class-blind"), "--prune-scheme has no meaning"),
            (("--hidden-size", "48"), "--prune-mask-from"),
        ],
    )
    def test_mistakes(self, data, retrained, tmp_path, extra, said):
        mask = retrained[0] / "checkpoint_best.pt"
        output = train(data, tmp_path / "run", *self.options(mask), *extra, ok=False)
        assert said in output and "Traceback" not in output

    def test_another_mask_in_the_same_folder_is_refused(self, data, dense, retrained, tmp_path):
        run("fairseq-prune", "prune", dense, tmp_path / "b.pt", "--sparsity", "0.5")
        first = retrained[0] / "checkpoint_best.pt"
        train(data, tmp_path / "run", *self.options(first), "--max-update", "2")
        for other in (
            self.options(tmp_path / "b.pt"),
            [*TRAIN, "--prune-sparsity", "0.8", "--finetune-from-model", dense],
        ):
            output = train(data, tmp_path / "run", *other, "--max-update", "4", ok=False)
            assert f"--prune-mask-from {first}" in output and "Traceback" not in output

    def test_a_dense_checkpoint_has_no_mask(self, data, dense, tmp_path):
        output = train(data, tmp_path / "run", *self.options(dense), ok=False)
        assert f"--prune-mask-from {dense}" in output and "Traceback" not in output
