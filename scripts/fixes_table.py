"""Print docs/fairseq_fixes.md, the table of what this package changes in fairseq."""

import re

from fairseq_prune.fairseq_fixes.table import FIXES

HEAD = """\
# What of fairseq is changed

While `fairseq_prune` is imported, this of fairseq is replaced in that process, and nothing on
disk. Each is a file of [fairseq_fixes/](../fairseq_prune/fairseq_fixes) (the first:
`checkpoints/reading.py`). The list itself is
[table.py](../fairseq_prune/fairseq_fixes/table.py), and this page is made of it
(`python scripts/fixes_table.py`). All are made once, what others replace later stays as they
want it, and a fairseq that has no such thing to replace is refused by a sentence that names it.
The test shows the fault in a fairseq without this package, or what the change is for.

| file | without it | versions | replaced, or relied on | test |
|---|---|---|---|---|"""


def table() -> str:
    lines = [HEAD]
    for fix in FIXES:
        targets = ", ".join(f"`{_without_parameters(target)}`" for target in fix.targets)
        lines.append(
            f"| `{fix.name}` | {fix.fault} | {fix.where} | {fix.when} | {targets} | "
            f"`{fix.shown_by}` |"
        )
    return "\n".join(lines) + "\n"


def _without_parameters(target: str) -> str:
    return re.split(r"[({]", target)[0].replace(":", ".")


if __name__ == "__main__":
    print(table(), end="")
