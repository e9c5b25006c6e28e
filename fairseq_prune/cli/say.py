"""What the verbs print."""

import json
import sys
from typing import Any, Optional, TextIO

from ..printable import printable


def say(*lines: str, to: Optional[TextIO] = None) -> None:
    """Print ``lines``, each in one, without what terminals obey: they quote files."""
    print("\n".join(map(printable, lines)), file=to or sys.stdout, flush=True)


def say_json(content: Any) -> None:
    """Print JSON, in ASCII."""
    print(json.dumps(content, indent=2))


def say_progress(text: str) -> None:
    """Say what is going on, apart from the results."""
    say(f"fairseq-prune: {text}", to=sys.stderr)
