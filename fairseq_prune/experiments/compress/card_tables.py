"""What a model card says: its tables and sentences."""

import shlex
from typing import Any, Dict, List, Optional, Sequence, Tuple

#: A difference is called significant below this, as sacrebleu marks it.
SIGNIFICANT = 0.05
Table = Tuple[Sequence[str], Sequence[Sequence[str]]]


def missed(content: Dict[str, Any]) -> Optional[str]:
    """That the file has more bytes than it may have, in words; None: it has not."""
    packed, most = content["sizes"]["packed"], content["max_bytes"]
    if most is None or packed <= most:
        return None
    return f"model.packed has {packed:,} bytes, more than --max-bytes {most:,}"


def summary(content: Dict[str, Any]) -> str:
    sizes = content["sizes"]
    times, bigger = sizes["dense"] / sizes["packed"], sizes["packed"] / sizes["dense"]
    bytes_ = f"{times:.1f} times fewer" if times >= 1 else f"{bigger:.1f} times as many"
    mean = "the mean of its last epochs" if content["averaged"] else "its best epoch"
    values = "" if content["values"] == "fp32" else f" in {content['values']}"
    too_large = f" {missed(content)}." if missed(content) else ""
    return (
        f"{content['checkpoint']}, pruned to {100 * content['sparsity']:.2f}% in "
        f"{content['kept']} round{'s' * (content['kept'] > 1)} and packed"
        f"{values}: "
        f"{bytes_} bytes. Recipe {content['recipe']}: it {content['about']}. Of round "
        f"{content['kept']}, {mean} was kept.{too_large}"
    )


def sections(content: Dict[str, Any]) -> List[Tuple[str, Table]]:
    return [
        ("Sizes", _sizes(content)),
        ("Scores", scores_table(content)),
        ("Speed", _speed(content)),
        ("Rounds", _rounds(content)),
        ("Weight classes", _classes(content)),
    ]


def _sizes(content: Dict[str, Any]) -> Table:
    sizes = content["sizes"]
    rows = [
        ("weights of the dense model", sizes["dense"]),
        ("its checkpoint", sizes["checkpoint"]),
        ("checkpoint_best.pt, pruned", sizes["pruned_checkpoint"]),
        ("model.packed", sizes["packed"]),
    ]
    shares = [f"{100 * size / sizes['dense']:.1f}%" for _, size in rows]
    cells = [(name, f"{size:,}", share) for (name, size), share in zip(rows, shares)]
    return ("", "bytes", "of the dense weights"), cells


def scores_table(content: Dict[str, Any]) -> Table:
    rows = []
    for score in content["scores"]:
        for d in score["differences"]:
            first, second = d["intervals"]
            rows.append(
                (
                    f"{score['subset']}, {d['metric']}",
                    f"{d['baseline']:.2f} ± {first:.2f}",
                    f"{d['system']:.2f} ± {second:.2f}",
                    f"{d['system'] - d['baseline']:+.2f}",
                    f"{d['p']:.4f}",
                )
            )
        dense, packed = (score["perplexity"][name] for name in ("dense", "packed"))
        change = f"{packed - dense:+.3f}"
        rows.append(
            (f"{score['subset']}, perplexity", f"{dense:.3f}", f"{packed:.3f}", change, "-")
        )
    return ("", "dense", "packed", "change", "p"), rows


def notes(content: Dict[str, Any]) -> List[str]:
    """What is to be said of the scores."""
    lines = []
    for score in content["scores"]:
        for d in score["differences"]:
            significant = "is" if d["p"] < SIGNIFICANT else "is not"
            lines.append(
                f"{score['subset']}: the difference in {d['metric']} {significant} significant at "
                f"{SIGNIFICANT:.0%} (paired bootstrap). {d['signature']}"
            )
        if "identical" in score:
            lines.append(
                f"{score['subset']}: {score['identical']} of {score['sentences']} translations are "
                f"identical."
            )
    if content["max_loss"] is not None:
        losses = ", ".join(f"{loss:+.2f}" for loss in content["losses"])
        lines.append(
            f"At most {content['max_loss']:g} {content['metric']} was to be lost on the validation "
            f"set; the rounds lost {losses}."
        )
    return lines


def _speed(content: Dict[str, Any]) -> Table:
    speeds = content["speeds"]
    ratio = speeds["packed"] / speeds["dense"]
    name = (
        f"{speeds['unit']} a second, one at a time ({speeds['count']} of {speeds['subset']}, CPU, "
        f"{speeds['threads']} threads)"
    )
    return ("", "dense", f"packed, runtime {speeds['runtime']}", "ratio"), [
        (name, f"{speeds['dense']:.1f}", f"{speeds['packed']:.1f}", f"{ratio:.2f}")
    ]


def _rounds(content: Dict[str, Any]) -> Table:
    rows = []
    for r, entry in enumerate(content["rounds"], start=1):
        losses = [v["loss"] for v in entry["validations"]]
        rows.append(
            (
                f"{r}{' (kept)' if r == content['kept'] else ''}",
                f"{100 * entry['sparsity']:.4g}%",
                str(len(losses)),
                f"{min(losses):.3f}" if losses else "-",
                f"{entry['seconds']:.0f}",
            )
        )
    return ("round", "sparsity", "epochs", "least loss (bits a token)", "seconds"), rows


def _classes(content: Dict[str, Any]) -> Table:
    rows = [
        (
            row["class"], f"{row['weights']:,}", f"{row['kept']:,}",
            f"{100 * (1 - row['density']):.2f}%",
        )
        for row in content["classes"]
    ]  # fmt: skip
    return ("weight class", "weights", "kept", "pruned"), rows


def commands(content: Dict[str, Any]) -> List[str]:
    """What makes the model again: in one command, and in its parts."""
    all_commands = [content["argv"], *(r["command"] for r in content["rounds"])]
    all_commands += [content["model"], content["pack"]]
    return [" ".join(map(shlex.quote, command)) for command in all_commands]


def versions(content: Dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in content["versions"].items())
