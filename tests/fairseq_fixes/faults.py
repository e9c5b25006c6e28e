"""What fairseq does without this package: a script that never imports it, and prints what fails.

Each function shows the fault of the fix of its name: it ends well where there is none.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from types import SimpleNamespace

import numpy
import torch
from fairseq import checkpoint_utils, options, utils
from fairseq.data import (
    ConcatDataset,
    Dictionary,
    ListDataset,
    MonolingualDataset,
    TokenBlockDataset,
    data_utils,
)
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.models import fconv
from fairseq.models.transformer import TransformerConfig, TransformerEncoderBase
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.optim.lr_scheduler.reduce_lr_on_plateau import ReduceLROnPlateauLRSchedule
from fairseq.tasks.language_modeling import LanguageModelingTask
from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask
from fairseq.trainer import Trainer


def safe_types(folder):
    path = os.path.join(folder, "model.pt")
    state = {"model": {}, "cfg": None, "args": Namespace(arch="lstm"), "extra_state": {}}
    torch.save({**state, "optimizer_history": [{"lr_scheduler_state": {}}]}, path)
    checkpoint_utils.load_checkpoint_to_cpu(path)


def whole_files(folder):
    source, target = (os.path.join(folder, name) for name in ("a.pt", "b.pt"))
    for path in (source, target):
        with open(path, "w") as f:
            f.write(path)
    open_before = open(target)  # who is reading it
    PathManager.copy(source, target, overwrite=True)
    assert open_before.read() == target, "the old file was written over"


def reading(folder):
    path = os.path.join(folder, "slim.pt")
    torch.save({"model": {}, "cfg": {"model": {}, "task": {}}}, path)
    state = checkpoint_utils.load_checkpoint_to_cpu(path)
    state["optimizer_history"], state["extra_state"]  # which training reads


def whole_sets(folder):
    batches = data_utils.batch_by_size(
        numpy.arange(11), lambda i: 1, max_sentences=8, required_batch_size_multiple=8
    )
    assert sum(map(len, batches)) == 11


def _receive(folder, rank):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    group, cpu = torch.distributed.group.WORLD, torch.device("cpu")
    distributed._broadcast_object_slow(Namespace(a=1) if rank == 0 else None, 0, group, cpu)


def broadcast(folder):
    sys.stderr.flush()
    processes = [
        multiprocessing.get_context("fork").Process(target=_receive, args=(folder, rank))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert not any(process.exitcode for process in processes)


def amp_state(folder):
    optimizer = AMPOptimizer.__new__(AMPOptimizer)
    inner = SimpleNamespace(state_dict=lambda: {"step": 1})  # torch's
    optimizer.fp32_optimizer = SimpleNamespace(
        optimizer=inner, state_dict=lambda: {"step": 1, "mask": 2}
    )
    assert "mask" in optimizer.state_dict()


def plateau(folder):
    schedule = ReduceLROnPlateauLRSchedule.__new__(ReduceLROnPlateauLRSchedule)
    schedule.lr_scheduler = SimpleNamespace(
        best=1.0, last_epoch=3, num_bad_epochs=2, cooldown_counter=0
    )
    assert 2 in schedule.state_dict().values()


def average_start(folder):
    path = os.path.join(folder, "dense.pt")
    with open(path, "w"):
        pass
    begun, model, nothing = [], torch.nn.Linear(1, 1), lambda *args, **kwargs: None
    model.load_state_dict = model.set_num_updates = nothing
    ema = SimpleNamespace(restore=lambda weights, **kwargs: begun.append(weights))
    trainer = type("Stub", (Trainer,), {
        "__init__": nothing, "lr_step": nothing, "get_criterion": lambda self: torch.nn.Identity(),
        "model": model, "ema": ema, "tpu": False, "is_fsdp": False,
        "data_parallel_world_size": 1, "data_parallel_rank": 0,
    })()  # fmt: skip
    trainer.cfg = SimpleNamespace(
        checkpoint=SimpleNamespace(load_checkpoint_on_all_dp_ranks=True),
        ema=SimpleNamespace(store_ema=True, ema_fp32=False), model=SimpleNamespace(),
    )  # fmt: skip
    extra_state = {"train_iterator": {"epoch": 1, "iterations_in_epoch": 1}}
    state = {"model": {"w": 1}, "extra_state": extra_state, "optimizer_history": [{}]}
    read, checkpoint_utils.load_checkpoint_to_cpu = (
        checkpoint_utils.load_checkpoint_to_cpu, lambda *args, **kwargs: state
    )  # fmt: skip
    try:
        trainer.load_checkpoint(path, reset_optimizer=True, reset_meters=True)
    finally:
        checkpoint_utils.load_checkpoint_to_cpu = read
    assert begun == [{"w": 1}]


def numpy_compat(folder):
    TokenBlockDataset([torch.ones(5)], [5], 2, pad=0, eos=1, break_mode="eos")


def text_blocks(folder):
    words, sizes = Dictionary(), numpy.array([9, 9, 3])
    task = LanguageModelingTask(Namespace(tokens_per_sample=9, seed=1), words)
    blocks = MonolingualDataset(ListDataset([torch.ones(n) for n in sizes]), sizes, words)
    batches = task.eval_lm_dataloader(blocks, batch_size=1, max_positions=4, num_workers=0)
    assert len(batches) == 3, "blocks are left out"


def evaluated_options(folder):
    words = SimpleNamespace(
        __len__=lambda self: 4, pad=lambda: 0, unk=lambda: 1, eos=lambda: 2, bos=lambda: 3
    )
    ran = os.path.join(folder, "ran")
    options_ = Namespace(
        encoder_embed_path=None, decoder_embed_path=None, decoder_attention="True",
        encoder_layers=f"open({ran!r}, 'w').close()", decoder_layers="[]",
    )  # fmt: skip
    task = SimpleNamespace(source_dictionary=words, target_dictionary=words)
    try:
        fconv.FConvModel.build_model(options_, task)
    except (AttributeError, TypeError):
        pass
    assert not os.path.exists(ran), "the option ran"


def bart(folder):
    task = TranslationFromPretrainedBARTTask.__new__(TranslationFromPretrainedBARTTask)
    task.cfg, task.tgt_dict = Namespace(target_lang="de"), Dictionary()
    try:
        task.build_generator([], Namespace(score_reference=True))
    except AttributeError as error:
        assert "args" not in str(error), error


def combined_sets(folder):
    parts = [ListDataset([1, 2], [1, 1]), ListDataset([3], [1])]
    assert len(ConcatDataset(parts, [-1, 1])) == 3


def replace_unk(folder):
    parser = options.get_generation_parser()
    given = options.parse_args_and_arch(parser, ["data", "--path", "x", "--replace-unk"])
    assert given.replace_unk != "@@ ", "the flag names a file"
    utils.replace_unk("<unk>", "a", [(0, 0)], {}, "<unk>")


def _encoder():
    cfg = TransformerConfig()
    cfg.encoder.embed_dim, cfg.encoder.ffn_embed_dim = 8, 8
    cfg.encoder.attention_heads, cfg.encoder.layers = 2, 1
    words = Dictionary()
    table = torch.nn.Embedding(len(words), 8, words.pad())
    return TransformerEncoderBase(cfg, words, table).eval()


def own_weights(folder):
    encoder = _encoder()
    encoder.load_state_dict(encoder.state_dict())
    whole, padded = torch.tensor([[3, 2]]), torch.tensor([[1, 3, 2], [3, 3, 2]])
    with torch.no_grad():
        before = encoder(whole, torch.tensor([2]))["encoder_out"][0]
        for layer in encoder.layers:
            layer.fc2.weight.normal_()  # pruned, say, after it was read
        after = encoder(whole, torch.tensor([2]))["encoder_out"][0]
        encoder(padded, torch.tensor([2, 3]))
    assert not torch.equal(before, after), "copies"


#: Fails while batches are made ahead, each in many steps without Python's lock.
FAILING = """
import torch
from fairseq.data.iterators import BufferedIterator

class Batches:
    def __len__(self): return 9
    def __iter__(self):
        for k in range(9):
            yield k
            for _ in range(300):
                torch.rand(400, 400) @ torch.rand(400, 400)

next(iter(BufferedIterator(2, Batches())))
raise SystemExit("the error")
"""


def prefetching(folder):
    for _ in range(3):  # on a busy machine it may end well
        ended = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True)
        assert ended.stderr.endswith("the error\n") and ended.returncode == 1, ended.stderr[-99:]


def copies(folder):
    encoder = _encoder()
    state = encoder.state_dict()
    both = [state[f"layers.0.self_attn.{name}_proj.weight"] for name in "qkv"]
    encoder.load_state_dict({**state, "layers.0.in_proj_weight": torch.cat(both)})


def main():
    found = {}
    for function in (
        safe_types, whole_files, reading, whole_sets, broadcast, amp_state, plateau, average_start,
        numpy_compat, evaluated_options, bart, combined_sets, replace_unk, own_weights,
        copies, text_blocks, prefetching,
    ):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(folder)
                found[function.__name__] = None
            except (Exception, SystemExit) as error:
                found[function.__name__] = f"{type(error).__name__}: {error}"
    assert not any(name.startswith("fairseq_prune") for name in sys.modules)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
