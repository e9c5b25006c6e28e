"""What of fairseq this package changes, and why: the whole list, in the order in which it is made.

docs/fairseq_fixes.md shows it (``python scripts/fixes_table.py``).
"""

from ..checkpoints.reading import allow_safe_types
from .amp_state import save_state_under_amp
from .average_start import start_average_from_any_checkpoint
from .bart import finetune_bart
from .bf16 import train_in_bf16_anywhere
from .broadcast import broadcast_checkpoints
from .combined_sets import combine_training_sets
from .command_line import check_command_lines
from .copies import leave_out_copies
from .evaluated_options import evaluate_values_only
from .exact_resume import resume_exactly
from .fix import ALWAYS, Fix, apply_once, check_targets
from .next_task import hand_over_tasks
from .numpy_compat import have_numpy_compat
from .own_weights import encode_on_cpus
from .plateau import save_plateau_counters
from .prefetching import end_prefetching
from .pruned_state import load_with_pruning_in_mind
from .reading import read_packed_files
from .reading_state import read_and_prepare
from .stock_names import save_stock_names
from .teachers import load_teachers_first
from .text_blocks import refuse_long_blocks
from .user_dir import know_this_package
from .whole_files import save_whole_files
from .whole_sets import evaluate_on_whole_sets

FIXES = (
    Fix(
        "safe_types",
        "torch 2.6 and later refuses to read fairseq's own checkpoints, whose options and meters "
        "are no tensors",
        "all, with torch >= 2.6",
        ("fairseq.data:Dictionary",),
        "fairseq_fixes/test_faults.py::test_fault[safe_types]",
        allow_safe_types,
    ),
    Fix(
        "whole_files",
        "a run that is killed, or has no room, while it saves leaves a truncated "
        "checkpoint_last.pt, from which nothing can go on",
        "all",
        (
            "fairseq.file_io:PathManager.copy(src_path, dst_path, overwrite)",
            "fairseq.file_io:PathManager.supports_rename(path)",
            "fairseq.checkpoint_utils:torch_persistent_save(obj, filename, async_write)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[whole_files]",
        save_whole_files,
    ),
    Fix(
        "reading_state",
        "the checkpoint that a run goes on from is read and put to use in one step, and nothing "
        "can be changed of it in between (pruned_state and average_start do)",
        "all",
        ("fairseq.checkpoint_utils:load_checkpoint_to_cpu",),
        "fairseq_fixes/test_fixes.py::test_states_are_prepared",
        read_and_prepare,
    ),
    Fix(
        "reading",
        "--path and --finetune-from-model do not read packed files nor slimmed checkpoints, and "
        "load a model with whatever dictionaries and files its configuration names",
        "all",
        (
            "fairseq.checkpoint_utils:torch",
            "fairseq.checkpoint_utils:load_model_ensemble_and_task(filenames, arg_overrides, task)",
            "fairseq.trainer:Trainer.load_checkpoint(filename)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[reading]",
        read_packed_files,
    ),
    Fix(
        "copies",
        "a transformer that stock 0.12.2 has saved has copies of its weights and cannot be loaded",
        "fairseq-fixed 0.12.3",
        ("fairseq.checkpoint_utils:load_checkpoint_to_cpu",),
        "fairseq_fixes/test_faults.py::test_fault[copies]",
        leave_out_copies,
    ),
    Fix(
        "stock_names",
        "checkpoints name the task, optimizer and criterion that they were trained with, so that a "
        "pruned model would need this plugin",
        "all",
        ("fairseq.trainer:Trainer.state_dict",),
        "end_to_end/test_stock_names.py",
        save_stock_names,
    ),
    Fix(
        "whole_sets",
        "a last batch that is no multiple of --required-batch-size-multiple is thrown away: up to "
        "seven sentences of every set, the longest",
        "fairseq-fixed 0.12.3",
        (
            "fairseq.data.data_utils:batch_by_size(indices, required_batch_size_multiple)",
            "fairseq.trainer:Trainer.get_train_iterator",
            "fairseq.data.iterators:EpochBatchIterator{batch_sampler}",
        ),
        "fairseq_fixes/test_faults.py::test_fault[whole_sets]",
        evaluate_on_whole_sets,
    ),
    Fix(
        "broadcast",
        "distributed training sends the checkpoint through torch.load, which refuses its "
        "configuration",
        "all, with torch >= 2.6",
        ("fairseq.distributed.utils:_broadcast_object_slow(obj, src_rank, group, dist_device)",),
        "fairseq_fixes/test_faults.py::test_fault[broadcast]",
        broadcast_checkpoints,
    ),
    Fix(
        "amp_state",
        "--amp saves the state of the torch optimizer and passes by what fairseq's own adds to it: "
        "a mask",
        "all",
        (
            "fairseq.optim.amp_optimizer:AMPOptimizer{fp32_optimizer}",
            "fairseq.optim.amp_optimizer:AMPOptimizer.state_dict",
            "fairseq.optim.amp_optimizer:AMPOptimizer.load_state_dict(state_dict)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[amp_state]",
        save_state_under_amp,
    ),
    Fix(
        "plateau",
        "checkpoints forget how long reduce_lr_on_plateau has waited",
        "all",
        (
            "fairseq.optim.lr_scheduler.reduce_lr_on_plateau:"
            "ReduceLROnPlateauLRSchedule.state_dict",
            "fairseq.optim.lr_scheduler.reduce_lr_on_plateau:"
            "ReduceLROnPlateauLRSchedule.load_state_dict(state_dict)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[plateau]",
        save_plateau_counters,
    ),
    Fix(
        "average_start",
        "--store-ema fails on a checkpoint that was trained without: the model that the average is "
        "to begin with has been deleted",
        "all",
        ("fairseq.trainer:Trainer.load_checkpoint(filename)",),
        "fairseq_fixes/test_faults.py::test_fault[average_start]",
        start_average_from_any_checkpoint,
    ),
    Fix(
        "pruned_state",
        "going on with the state of another optimizer ends in a traceback, and a task that does "
        "not prune makes a pruned model dense without a word",
        "all",
        ("fairseq.trainer:Trainer.load_checkpoint(filename, reset_optimizer){_optim_history}",),
        "end_to_end/test_restored_dense.py",
        load_with_pruning_in_mind,
    ),
    Fix(
        "teachers",
        "a criterion has no way to load its teacher before training begins, nor a place in "
        "checkpoints to know it by",
        "all",
        (
            "fairseq.trainer:Trainer.__init__{_model}",
            "fairseq.trainer:Trainer.state_dict",
            "fairseq.trainer:Trainer.load_checkpoint(filename, reset_optimizer)",
        ),
        "end_to_end/test_distillation.py",
        load_teachers_first,
    ),
    Fix(
        "command_line",
        "what is wrong with the options of this plugin would be said after the data are loaded, or "
        "by a traceback",
        "all",
        ("fairseq.options:parse_args_and_arch(parser, input_args, parse_known)",),
        "end_to_end/test_mistakes_at_once.py",
        check_command_lines,
    ),
    Fix(
        "numpy_compat",
        "language models whose blocks are lines, and --num-batch-buckets, fail: numpy has no "
        "numpy.compat any more",
        "all, with numpy >= 2.4",
        ("fairseq.data.token_block_dataset:np", "fairseq.data.language_pair_dataset:np"),
        "fairseq_fixes/test_faults.py::test_fault[numpy_compat]",
        have_numpy_compat,
    ),
    Fix(
        "evaluated_options",
        "options that files hold are given to Python's eval, so that a checkpoint can run code; "
        "here every module of fairseq has an eval of its own",
        "all",
        (
            "fairseq.models.fconv:FConvModel.build_model{eval}",
            "fairseq.utils:import_user_module(args)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[evaluated_options]",
        evaluate_values_only,
    ),
    Fix(
        "prefetching",
        "an error while batches are made ahead (--num-workers 0) aborts the program: exit status "
        "134, and what it says last is of the abort",
        "all, with Python < 3.14",
        (
            "fairseq.data.iterators:BackgroundConsumer.__init__(queue, source, max_len)",
            "fairseq.data.iterators:BackgroundConsumer.run{_max_len, _queue}",
        ),
        "fairseq_fixes/test_faults.py::test_fault[prefetching]",
        end_prefetching,
    ),
    Fix(
        "user_dir",
        "--user-dir fairseq_prune fails where the package was imported before",
        "all",
        ("fairseq.utils:import_user_module(args)",),
        "test_installed.py",
        know_this_package,
    ),
    Fix(
        "bart",
        "translation_from_pretrained_bart looks for its options where its base class has none",
        "all",
        (
            "fairseq.tasks.translation_from_pretrained_bart:"
            "TranslationFromPretrainedBARTTask.build_generator(models, args)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[bart]",
        finetune_bart,
    ),
    Fix(
        "bf16",
        "--bf16 on the command line is taken for --tpu, and fails on GPUs and CPUs",
        "all",
        ("fairseq.distributed.utils:call_main(cfg, main){tpu}", "fairseq.utils:get_tpu_device{xm}"),
        "end_to_end/test_bf16.py",
        train_in_bf16_anywhere,
    ),
    Fix(
        "text_blocks",
        "fairseq-eval-lm leaves out blocks that are longer than the model reads, and of none it "
        "reports a perplexity of 1",
        "all",
        (
            "fairseq.tasks.language_modeling:"
            "LanguageModelingTask.eval_lm_dataloader(dataset, max_positions, context_window)",
        ),
        "fairseq_fixes/test_faults.py::test_fault[text_blocks]",
        refuse_long_blocks,
    ),
    Fix(
        "combined_sets",
        "train, train1, ... fail to be read together unless --upsample-primary 1 is given",
        "all",
        ("fairseq.data:ConcatDataset.__init__(datasets, sample_ratios)",),
        "fairseq_fixes/test_faults.py::test_fault[combined_sets]",
        combine_training_sets,
    ),
    Fix(
        "next_task",
        "a command hands nobody the task that it sets up (compare times its search)",
        "all",
        ("fairseq.tasks:setup_task(cfg)",),
        "fairseq_fixes/test_fixes.py::test_next_task",
        hand_over_tasks,
    ),
    Fix(
        "replace_unk",
        "--replace-unk without a file is taken for the file '@@ ', and fails on the first <unk>",
        "all",
        ("fairseq.sequence_generator:SequenceGeneratorWithAlignment.generate(models, sample)",),
        "fairseq_fixes/test_faults.py::test_fault[replace_unk]",
        when="in pruned tasks (--task pruned_translation)",
    ),
    Fix(
        "own_weights",
        "a transformer encodes with copies of its weights until it has trained, and fails on "
        "padded batches on a CPU",
        "0.12.2",
        ("fairseq.modules.transformer_layer:TransformerEncoderLayerBase.train(mode)",),
        "fairseq_fixes/test_faults.py::test_fault[own_weights]",
        encode_on_cpus,
    ),
    Fix(
        "best_model",
        "what the best model is, and how long --patience has waited, are attributes of functions, "
        "the latter not in checkpoints; models that are denser than asked for compete",
        "all",
        (
            "fairseq.checkpoint_utils:save_checkpoint(cfg, trainer, epoch_itr, val_loss){best}",
            "fairseq_cli.train:should_stop_early(cfg, valid_loss){best, num_runs}",
        ),
        "end_to_end/test_schedules.py",
        when="in runs that prune",
    ),
    Fix(
        "exact_resume",
        "a resumed run makes other batches, forgets what the schedule of the learning rate was "
        "told, and makes one more update after its end",
        "all (the batches: fairseq-fixed 0.12.3)",
        (
            "fairseq.checkpoint_utils:load_checkpoint(cfg, trainer)",
            "fairseq.data.multilingual.sampled_multi_epoch_dataset:"
            "SampledMultiEpochDataset._next_virtual_epoch(epoch){_random_global_indices}",
            "fairseq.tasks:FairseqTask.get_batch_iterator(dataset, epoch)",
        ),
        "end_to_end/test_interruption.py",
        resume_exactly,
        when="in runs that prune",
    ),
)

EXACT_RESUME = FIXES[-1]


def fix_fairseq() -> None:
    """Make those that are for everyone in this process, once, and look whether others can be."""
    for fix in FIXES:
        if fix.when == ALWAYS:
            apply_once(fix)
        else:
            check_targets(fix)


def fix_pruned_runs() -> None:
    """Make in this process what only runs that prune need: any other is resumed as fairseq does."""
    apply_once(EXACT_RESUME)
