"""griffe's extension for the docs as a site: parts of a docstring need no empty line between."""

import re

from griffe import Extension

PARTS = re.compile(r"(?<!\n)\n(Args|Attributes|Returns|Yields|Raises):\n")
EXAMPLE = re.compile(r"^((?:(?:>>>|\.\.\.) .*\n?)(?:.*\S.*\n?)*)", re.M)


class Parts(Extension):
    def on_object(self, *, obj, **_):
        if obj.docstring is not None:
            text = PARTS.sub(r"\n\n\1:\n", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\1\n```\n", text)
