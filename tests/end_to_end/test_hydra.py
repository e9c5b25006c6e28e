"""fairseq-hydra-train with configs/*.yaml does what the command line does."""

from commands import PLUGIN, REPO, equal, run, state_of


def test_yaml_and_command_line_train_the_same_model(data, dense, tmp_path):
    run(
        "fairseq-hydra-train", "--config-dir", REPO / "configs",
        "--config-name", "multi30k_retrain", f"common.user_dir={PLUGIN}", f"task.data={data}",
        f"checkpoint.save_dir={tmp_path / 'yaml'}",
        f"checkpoint.finetune_from_model={dense}", f"hydra.run.dir={tmp_path / 'hydra'}",
        "model.hidden_size=32", "model.init_range=0.5", "dataset.max_tokens=400",
        "optimization.max_update=4", "task.prune_scheme=class-distribution",
    )  # fmt: skip
    run(
        "fairseq-train", data, "--user-dir", PLUGIN, "--cpu", "--seed", "1",
        "--task", "pruned_translation", "--arch", "pruned_lstm_nmt", "--hidden-size", "32",
        "--num-layers", "2", "--dropout", "0.4", "--init-range", "0.5",
        "--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1",
        "--max-tokens", "400", "--num-workers", "0", "--required-batch-size-multiple", "1",
        "--optimizer", "pruned_adam", "--adam-betas", "(0.9, 0.98)", "--lr", "0.0005",
        "--lr-scheduler", "luong", "--lr-decay-start", "2", "--lr-decay-every", "0.5",
        "--max-epoch", "4", "--max-update", "4", "--clip-norm", "5", "--no-epoch-checkpoints",
        "--prune-scheme", "class-distribution", "--prune-sparsity", "0.8",
        "--finetune-from-model", dense, "--save-dir", tmp_path / "flags",
    )  # fmt: skip
    yaml, flags = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("yaml", "flags"))
    assert flags["last_optimizer_state"]["prune"]["scheme"] == "class-distribution"
    assert equal(yaml["model"], flags["model"])
    assert equal(yaml["last_optimizer_state"]["prune"], flags["last_optimizer_state"]["prune"])
