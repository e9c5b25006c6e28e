"""Options of fairseq's own that a pruned task looks at."""

from typing import Optional

from omegaconf import II

#: Options of fairseq's own that decide what the run starts from, what it would keep and what
#: pruning cannot work with. They have no help, so fairseq adds no second flag for them and
#: fills them in from the options they name.
FAIRSEQ_OPTIONS = (
    ("save_dir", str, II("checkpoint.save_dir")),
    ("restore_file", str, II("checkpoint.restore_file")),
    ("finetune_from_model", Optional[str], II("checkpoint.finetune_from_model")),
    (
        "maximize_best_checkpoint_metric",
        bool,
        II("checkpoint.maximize_best_checkpoint_metric"),
    ),
    ("no_save_optimizer_state", bool, II("checkpoint.no_save_optimizer_state")),
    ("continue_once", Optional[str], II("checkpoint.continue_once")),
    ("reset_dataloader", bool, II("checkpoint.reset_dataloader")),
    ("reset_optimizer", bool, II("checkpoint.reset_optimizer")),
    ("checkpoint_suffix", str, II("checkpoint.checkpoint_suffix")),
    ("write_checkpoints_asynchronously", bool, II("checkpoint.write_checkpoints_asynchronously")),
    ("max_update", int, II("optimization.max_update")),
    ("max_epoch", int, II("optimization.max_epoch")),
    ("update_ordered_indices_seed", bool, II("dataset.update_ordered_indices_seed")),
    ("ema_update_freq", int, II("ema.ema_update_freq")),
    ("pipeline_model_parallel", bool, II("distributed_training.pipeline_model_parallel")),
    ("use_bmuf", bool, II("optimization.use_bmuf")),
    ("ema_fp32", bool, II("ema.ema_fp32")),
    ("ddp_backend", str, II("distributed_training.ddp_backend")),
    ("zero_sharding", str, II("distributed_training.zero_sharding")),
    ("model_parallel_size", int, II("common.model_parallel_size")),
    ("quantization_config_path", Optional[str], II("common.quantization_config_path")),
)
