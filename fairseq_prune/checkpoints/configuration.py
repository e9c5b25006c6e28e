"""Looking through the options of a configuration: nested dictionaries and namespaces."""

import sys
from argparse import Namespace
from typing import Any, Iterator, List, MutableMapping, Tuple


def is_section(value: Any) -> bool:
    return isinstance(value, (MutableMapping, Namespace))


def settings_of(section: Any) -> Any:
    """By name; none of what is no section."""
    if isinstance(section, Namespace):
        return vars(section)
    return section if is_section(section) else {}


def texts_of(value: Any, name: str) -> Iterator[Tuple[str, str]]:
    """All strings in ``value``, with the names of the options they are in."""
    if isinstance(value, str):
        yield name, value
    elif is_section(value):
        for key, item in settings_of(value).items():
            yield from texts_of(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from texts_of(item, name)


def names_of(text: str, configuration: Any) -> List[str]:
    """The options that are set to ``text``."""
    configuration = without_omegaconf(configuration)
    return sorted({name for name, value in texts_of(configuration, "") if value == text})


def without_omegaconf(configuration: Any) -> Any:
    """In dictionaries and lists, references to other options unresolved, if it is omegaconf's."""
    omegaconf = sys.modules.get("omegaconf")  # who has not imported it has none of its
    if omegaconf is not None and omegaconf.OmegaConf.is_config(configuration):
        return omegaconf.OmegaConf.to_container(configuration, resolve=False)
    return configuration
