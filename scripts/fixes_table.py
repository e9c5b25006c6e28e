"""Print docs/fairseq_fixes.md, the table of what this package changes in fairseq."""

import re

from fairseq_prune.fairseq_fixes.table import FIXES

HEAD = """\
# What of fairseq is changed

Importing `fairseq_prune` replaces the following parts of fairseq, in that process only; nothing on
disk changes. Each fix is a file of [fairseq_fixes/](../fairseq_prune/fairseq_fixes) (the first:
`checkpoints/reading.py`) and is made once; what others replace later stays as they want it. If a
fairseq lacks such a part, an error names it. The test shows the fault in a fairseq without this
package, or what the change is for. This page is made of
[table.py](../fairseq_prune/fairseq_fixes/table.py) by `python scripts/fixes_table.py`.

| file | without it | versions | when | replaced, or relied on | test |
|---|---|---|---|---|---|"""


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
