"""YAML files, and values in them: of the right kind, or refused with their key."""

import shlex
from typing import Any, List, Mapping, Optional, overload

import yaml

from ..pruning import PruneError, check_pattern


def read_yaml(path: str) -> Any:
    """What is in file ``path``.

    Raises:
        PruneError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as f:
            return yaml.safe_load(f)
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise PruneError(f"{path} is no YAML: {reason}") from error


def check_keys(section: Any, known, where: str) -> None:
    if not isinstance(section, Mapping):
        raise PruneError(f"{where} must hold keys and values: {', '.join(known)}")
    for key in section:
        if key not in known:
            raise PruneError(f"{where}: {key} is unknown; choose from {', '.join(known)}")


@overload
def text(section: Mapping, key: str, default: str) -> str: ...


@overload
def text(section: Mapping, key: str, default: None) -> Optional[str]: ...


def text(section: Mapping, key: str, default: Optional[str]) -> Optional[str]:
    """``default`` where there is nothing, also after the key."""
    value = section.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise PruneError(f"{key} must be a text, not {value!r}; write it in quotes")
    return value


def patterns(section: Mapping, key: str) -> List[str]:
    pattern = text(section, key, None)
    if pattern is None:
        return []
    check_pattern(pattern, f"{key}:")
    return [pattern]


def words(section: Optional[Mapping], key: str, where: str) -> Optional[List[str]]:
    """An option line, split as a shell would."""
    line = text(section or {}, key, None)
    if line is None:
        return None
    try:
        return shlex.split(line)
    except ValueError as error:
        raise PruneError(f"{where}: {key} cannot be split into words: {error}") from error
