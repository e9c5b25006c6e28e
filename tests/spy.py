"""Notes what a process does, for a test to read (``prepare`` of ``commands.run``)."""


def on_masks(path):
    """Append the digest of every set of masks that this process takes up."""
    import fairseq_prune.tasks.pruner as pruner
    from fairseq_prune.tasks.agreement import digest

    check = pruner.check_agreement

    def check_agreement(record, device):
        with open(path, "a", encoding="utf-8") as f:
            f.write(f"{digest(record)}\n")
        check(record, device)

    pruner.check_agreement = check_agreement


def other_masks(path):
    """Give this process masks of its own: the first weight of each is kept, or pruned."""
    import fairseq_prune.tasks.pruner as pruner

    prune = pruner.prune

    def altered(*args, **kwargs):
        result = prune(*args, **kwargs)
        for mask in result.masks.values():
            mask.view(-1)[0] ^= True
        return result

    pruner.prune = altered


def other_survivors(path):
    """Move this process's survivors a little elsewhere, and note where all end up."""
    import fairseq_prune.tasks.pruner as pruner

    survivors_at(path)
    prune = pruner.prune

    def altered(*args, **kwargs):
        result = prune(*args, **kwargs)
        for updated in result.updated.values():
            updated *= 1.001
        return result

    pruner.prune = altered


def survivors_at(path):
    """Write the model's weights as they are after its first pruning."""
    import torch

    import fairseq_prune.tasks.pruner as pruner

    ddp_on_the_cpu()
    choose = pruner.Pruner._choose

    def noted(self, *args):
        result = choose(self, *args)
        model = next(arg for arg in args if isinstance(arg, torch.nn.Module))
        torch.save(model.state_dict(), path)
        return result

    pruner.Pruner._choose = noted


def no_masks(path):
    """Let this process begin without the masks that its checkpoint has."""
    import fairseq_prune.tasks.pruner as pruner

    begin = pruner.begin
    pruner.begin = lambda *args: {**begin(*args), "masks": {}, "shapes": {}}


def on_masks_with_ddp_on_the_cpu(path):
    """The same, in a process with ``ddp_on_the_cpu``."""
    ddp_on_the_cpu()
    on_masks(path)


def ddp_on_the_cpu():
    """Let fairseq's pytorch_ddp start without a GPU, which it names to torch."""
    import fairseq.models.distributed_fairseq_model as wrapping

    class OnCPU(wrapping.DistributedDataParallel):
        def __init__(self, device_ids=None, output_device=None, **kwargs):
            super().__init__(**kwargs)

    wrapping.DistributedDataParallel = OnCPU


def on_statistics(path):
    """Write what this process's calibrations find, and how many batches each looks at itself."""
    import torch

    import fairseq_prune.tasks.pruned_task as pruned_task
    from fairseq_prune.pruning import Statistic

    ddp_on_the_cpu()
    calibrate, add, found = pruned_task.calibrate, Statistic.add, []

    def noted(*args, **kwargs):
        found.append({"batches": 0})
        found[-1]["means"] = calibrate(*args, **kwargs)
        torch.save(found, path)
        return found[-1]["means"]

    def counted(self, gradients):
        found[-1]["batches"] += 1
        add(self, gradients)

    pruned_task.calibrate, Statistic.add = noted, counted


def failing_calibration(how):
    """Fail at the second batch: a gradient that is NaN, or an error of the user's own making."""
    from fairseq_prune.pruning import Statistic

    add, count = Statistic.add, []

    def add_or_fail(self, gradients):
        count.append(1)
        if len(count) == 2 and how == "error":
            raise ValueError("a mistake of the user's own")
        bad = len(count) == 2
        add(self, {n: g * float("nan") if bad else g for n, g in gradients.items()})

    Statistic.add = add_or_fail
