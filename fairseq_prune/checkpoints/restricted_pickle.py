"""Unpickling for torch < 2.4, as strict as the weights-only loading of later versions."""

import _compat_pickle
import collections
import pickle
import pickletools
from typing import Any, Dict

import torch

from .safe_types import DICTIONARY, SAFE_TYPES, safe_types

#: What may be named; storages and dtypes beside them.
ALLOWED: Dict[str, Any] = {
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set,
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    **SAFE_TYPES,
}


#: Python's own implementation, whose steps can be restricted; typeshed takes it for the other one.
_PlainUnpickler: Any = pickle._Unpickler


class RestrictedPickle:
    """A pickle module that finds what fairseq checkpoints hold and nothing else."""

    class Unpickler(_PlainUnpickler):
        # what torch.save writes; later protocols have steps that take memory at a file's word
        dispatch = {
            ord(step.code): _PlainUnpickler.dispatch[ord(step.code)]
            for step in pickletools.opcodes
            if step.proto <= 2
        }

        def find_class(self, module, name):
            # pickles of protocol 2 name what Python 2 had
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            path = f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"
            if path == DICTIONARY:
                ALLOWED.update(safe_types(with_dictionary=True))
            if path in ALLOWED:
                return ALLOWED[path]
            value = getattr(torch, name, None) if module == "torch" else None
            if isinstance(value, torch.dtype) or (module == "torch" and name.endswith("Storage")):
                return value
            raise pickle.UnpicklingError(f"GLOBAL {path} is not allowed")

        def load_build(self):
            # of an object, never of a class or a function: it would change them in this process
            if type(self.stack[-2]) not in ALLOWED.values():
                raise pickle.UnpicklingError("it changes what it must not")
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

    @classmethod
    def load(cls, file, **kwargs):
        return cls.Unpickler(file, **kwargs).load()
