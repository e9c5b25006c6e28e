"""The options of ``fairseq-train`` that a checkpoint was trained with, read back from it."""

import dataclasses

import pytest
import torch
from commands import run, state_of
from fairseq import options
from fairseq.models.transformer import TransformerConfig

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.checkpoints.writing import write_checkpoint
from fairseq_prune.experiments.option_words import plain
from fairseq_prune.experiments.settings import Settings
from fairseq_prune.experiments.training_options import training_words
from fairseq_prune.pruning import PruneError

RUN = """
    --cpu --num-workers 0 --max-update 1 --disable-validation --log-format json
    --seed 7 --no-epoch-checkpoints --max-tokens 300 --update-freq 2,1 --clip-norm 0.25
""".split()
TRANSFORMER = """
    --arch transformer_iwslt_de_en --encoder-embed-dim 8 --encoder-ffn-embed-dim 12
    --encoder-layers 1 --encoder-attention-heads 2 --decoder-layers 1 --decoder-attention-heads 2
    --share-decoder-input-output-embed --encoder-normalize-before --activation-fn gelu
    --attention-dropout 0.05 --optimizer adam --adam-betas (0.9,0.98) --lr 0.01
    --lr-scheduler inverse_sqrt --warmup-updates 5 --weight-decay 0.001 --sentence-avg
    --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --left-pad-source
    --max-source-positions 100 --skip-invalid-size-inputs-valid-test --ddp-backend legacy_ddp
""".split()
LSTM = """
    --arch lstm --encoder-embed-dim 8 --encoder-hidden-size 6 --encoder-bidirectional
    --decoder-embed-dim 8 --decoder-hidden-size 8 --decoder-out-embed-dim 8 --dropout 0.15
    --decoder-attention 0 --optimizer nag --momentum 0.5 --lr 0.1,0.05 --batch-size 9
    --required-batch-size-multiple 1 --patience 3 --keep-last-epochs 2
""".split()
FCONV = """
    --arch fconv --encoder-embed-dim 8 --decoder-embed-dim 8 --decoder-out-embed-dim 8
    --encoder-layers [(8,3)]*2 --decoder-layers [(8,3)] --optimizer adagrad --lr 0.1
    --truncate-source --max-source-positions 50
""".split()
LSTM_NMT = """
    --user-dir fairseq_prune --arch pruned_lstm_nmt_tiny --init-range 0.5 --decoder-input-feed
    --optimizer sgd --momentum 0.3 --lr 1.0 --lr-scheduler luong --lr-decay-start 2
    --best-checkpoint-metric nll_loss --fixed-validation-seed 5
""".split()
LM = """
    --task language_modeling --arch transformer_lm --tokens-per-sample 12
    --sample-break-mode none --decoder-embed-dim 8 --decoder-ffn-embed-dim 8 --decoder-layers 1
    --decoder-attention-heads 2 --optimizer adam --adam-eps 1e-6 --lr 0.1 --dropout 0.05
    --share-decoder-input-output-embed --no-token-positional-embeddings
""".split()
CASES = {
    "transformer": TRANSFORMER, "lstm": LSTM, "fconv": FCONV, "lstm_nmt": LSTM_NMT, "lm": LM,
}  # fmt: skip
#: Of the run that is over; and what the new one has of its own.
OTHER = """
    cpu max_update disable_validation log_format no_epoch_checkpoints save_dir patience
    keep_last_epochs warmup_updates lr_scheduler lr total_num_update end_learning_rate power
    lr_decay_start lr_decay_every lr_decay_factor lr_epoch_updates user_dir task optimizer
    no_seed_provided criterion lr_shrink force_anneal warmup_init_lr
""".split()


def base_of(settings):
    return [
        "--user-dir", "fairseq_prune", "--task", f"pruned_{settings.task}", "--arch",
        settings.arch, "--optimizer", f"pruned_{settings.optimizer}", "--criterion",
        settings.criterion, "--lr-scheduler", "polynomial_decay", "--total-num-update", "10",
    ]  # fmt: skip


def parsed(*words):
    args = options.parse_args_and_arch(options.get_training_parser(), list(map(str, words)))
    return {name: plain(value) for name, value in vars(args).items()}


def trained(data, text, folder, case):
    words = [text if case == "lm" else data, *CASES[case], *RUN, "--save-dir", folder]
    # but for its own architecture without this plugin, where those of others come from
    run("fairseq-train", *words)
    return folder / "checkpoint_last.pt", parsed(*words)


@pytest.mark.parametrize("case", list(CASES))
def test_every_option_comes_back(data, text, tmp_path, case):
    path, then = trained(data, text, tmp_path, case)
    settings = Settings(str(path))
    base = base_of(settings)
    words = training_words(settings, str(data), base, [])
    now = parsed(text if case == "lm" else data, *base, *words)
    for name, value in then.items():
        if name not in OTHER:
            assert now[name] == value, name
    assert settings.lr == then["lr"]
    # nothing is said that fairseq has anyway
    for dropped in ("--tokenizer", "--log-format", "--save-dir", "--patience", "--warmup-updates"):
        assert dropped not in words


def test_what_the_user_gives_is_left_to_him(data, text, tmp_path):
    path, _ = trained(data, text, tmp_path, "transformer")
    settings = Settings(str(path))
    words = training_words(
        settings, str(data), base_of(settings), ["--clip-norm=0.5", "--update-freq", "3"]
    )
    assert "--clip-norm" not in words and "--update-freq" not in words
    with pytest.raises(PruneError, match="unrecognized arguments: --clip-nrm 1"):
        training_words(settings, str(data), base_of(settings), ["--clip-nrm", "1"])


def test_of_hydra_with_nested_options(data, text, tmp_path):
    """fairseq-hydra-train has the options of a transformer in sections of their own."""
    path, then = trained(data, text, tmp_path, "transformer")
    state = state_of(path)
    nested = dataclasses.asdict(TransformerConfig.from_namespace(state["cfg"]["model"]))
    state["cfg"]["model"] = {**nested, "_name": "transformer"}
    state["cfg"]["optimizer"]["adam_betas"] = [0.9, 0.95]
    write_checkpoint(state, str(tmp_path / "nested.pt"))
    settings = Settings(str(tmp_path / "nested.pt"))
    assert settings.arch == "transformer"
    base = base_of(settings)
    now = parsed(data, *base, *training_words(settings, str(data), base, []))
    assert now["adam_betas"] == "[0.9, 0.95]"
    for name, value in then.items():
        if name not in (*OTHER, "arch", "adam_betas"):
            assert now[name] == value, name


def test_more_processes_are_more_batches_an_update(data, text, tmp_path):
    path, _ = trained(data, text, tmp_path, "lstm")
    state = state_of(path)
    state["cfg"]["distributed_training"]["distributed_world_size"] = 4
    write_checkpoint(state, str(tmp_path / "of_four.pt"))
    settings = Settings(str(tmp_path / "of_four.pt"))
    words = training_words(settings, str(data), base_of(settings), [])
    assert words[words.index("--update-freq") + 1] == "8,4"
    words = training_words(settings, str(data), base_of(settings), [], gpus=2)
    assert words[words.index("--update-freq") + 1] == "4,2"


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("cpu", [False, True])
def test_half_precision_where_there_is_a_gpu_or_was_none(data, text, tmp_path, precision, cpu):
    path, _ = trained(data, text, tmp_path, "lstm")
    state = state_of(path)
    state["cfg"]["common"][precision] = True
    state["cfg"]["common"]["cpu"] = cpu
    for name, value in ((precision, True), ("cpu", cpu)):
        setattr(state["cfg"]["model"], name, value)
    write_checkpoint(state, str(tmp_path / "half.pt"))
    settings, option = Settings(str(tmp_path / "half.pt")), f"--{precision}"
    on_a_cpu = option in training_words(settings, str(data), base_of(settings), [])
    assert on_a_cpu == (cpu and precision == "bf16")
    assert option in training_words(settings, str(data), base_of(settings), [], gpus=1)


def test_a_plugin_that_the_file_names_is_not_imported(data, text, tmp_path):
    path, _ = trained(data, text, tmp_path, "lstm")
    state = state_of(path)
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "__init__.py").write_text("raise SystemExit('it ran')")
    state["cfg"]["common"]["user_dir"] = str(tmp_path / "plugin")
    state["cfg"]["model"].arch = state["cfg"]["model"]._name = "an_arch_of_theirs"
    write_checkpoint(state, str(tmp_path / "theirs.pt"))
    with pytest.raises(PruneError, match="--arch an_arch_of_theirs, .*give --user-dir .*plugin"):
        Settings(str(tmp_path / "theirs.pt"))


def test_without_a_configuration(tmp_path):
    torch.save({"model": {"w": torch.ones(2, 2)}}, str(tmp_path / "bare.pt"))
    with pytest.raises(PruneError, match="does not say what it is the model of"):
        Settings(str(tmp_path / "bare.pt"))
