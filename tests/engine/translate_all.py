"""Translates a line with each packed file of a folder, with the engine of a library.

    python translate_all.py LIBRARY FOLDER

Prints a line for each: its name, and what the file is refused for or that it was translated with.
"""

import ctypes
import os
import sys

from fairseq_prune.engine import library
from fairseq_prune.engine.translator import SearchOptions, Translator
from fairseq_prune.errors import PruneError

compiled, folder = sys.argv[1:]
library._open = lambda level: ctypes.CDLL(compiled) if level == "base" else None
options = SearchOptions(beam=3, nbest=2, max_len_b=12)
for name in sorted(os.listdir(folder)):
    if not name.endswith(".packed"):
        continue
    try:
        translator = Translator(os.path.join(folder, name), threads=2)
        translator.nbest(["w3 w5 x w9", "", "w40"], False, options)
        said = "translated"
    except PruneError as error:
        said = f"refused: {error}"
    print(name, said, flush=True)
assert "torch" not in sys.modules
