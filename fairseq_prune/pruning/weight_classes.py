"""Weight classes: every prunable parameter in exactly one (See et al. 2016, section 3.2)."""

import re
from typing import Dict, Iterable, List, Mapping, Tuple

Rule = Tuple[str, str]


def classify(names: Iterable[str], rules: Iterable[Rule] = ()) -> Dict[str, str]:
    """Name the weight class of each parameter.

    Args:
        names: parameter names.
        rules: (regular expression, class) pairs; the first expression that matches
            from the start of a name decides. ``{k}`` in a class stands for the group
            "k" of the match, counted from 1 (layer 0 of the code is layer 1 of the
            paper); other groups are put in as they are.
    Returns:
        parameter name -> class name. What no rule matches is named by its module:
        ``encoder.fc2.weight`` is in the class "encoder.fc2".
    """
    compiled = [(re.compile(pattern), template) for pattern, template in rules]
    return {name: _class_of(name, compiled) for name in names}


def _class_of(name: str, rules) -> str:
    for pattern, template in rules:
        match = pattern.match(name)
        if match:
            groups = {
                key: int(value) + 1 if key == "k" else value
                for key, value in match.groupdict().items()
                if value is not None
            }
            return template.format(**groups)
    return name.rpartition(".")[0] or name


def members(classes: Mapping[str, str]) -> Dict[str, List[str]]:
    """class name -> its parameters, both in the order they first appear."""
    result: Dict[str, List[str]] = {}
    for name, weight_class in classes.items():
        result.setdefault(weight_class, []).append(name)
    return result
