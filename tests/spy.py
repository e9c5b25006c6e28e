"""Notes what a process does, for a test to read (``prepare`` of ``commands.run``)."""


def on_masks(path):
    """Append the digest of every set of masks that this process takes up."""
    import fairseq_prune.tasks.pruner as pruner
    from fairseq_prune.tasks.agreement import digest

    check = pruner.check_agreement

    def check_agreement(masks, device):
        with open(path, "a", encoding="utf-8") as f:
            f.write(f"{digest(masks)}\n")
        check(masks, device)

    pruner.check_agreement = check_agreement


def other_masks(path):
    """Give this process masks of its own: one weight more is kept."""
    import fairseq_prune.tasks.pruner as pruner

    masks_of = pruner.masks_of

    def altered(record, weights):
        masks = masks_of(record, weights)
        for mask in masks.values():
            mask.view(-1)[0] ^= True
        return masks

    pruner.masks_of = altered


def on_masks_with_ddp_on_the_cpu(path):
    """The same, and let fairseq's pytorch_ddp start without a GPU, which it names to torch."""
    import fairseq.models.distributed_fairseq_model as wrapping

    class OnCPU(wrapping.DistributedDataParallel):
        def __init__(self, device_ids=None, output_device=None, **kwargs):
            super().__init__(**kwargs)

    wrapping.DistributedDataParallel = OnCPU
    on_masks(path)
