"""A disk that has no more room (``prepare`` of ``commands.run``, or in this process)."""

import logging
import os
import resource
import shutil
from contextlib import contextmanager
from types import SimpleNamespace


def limit(size):
    """No file of this process can be larger than ``size``; what makes one so ends in EFBIG."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def limited(size):
    limit(size)
    try:
        yield
    finally:
        limit(resource.RLIM_INFINITY)


def after_one_checkpoint(size):
    """The same from when one checkpoint is written, for its copies; with iopath, whose copying
    says of a failure only in what it returns."""
    from fairseq import file_io

    def renaming(rename):
        def rename_and_limit(source, target):
            rename(source, target)
            if str(target).endswith(".pt"):
                limit(size)

        return rename_and_limit

    def copy(src_path, dst_path, overwrite=False):
        try:
            shutil.copyfile(src_path, dst_path)
            return True
        except OSError as error:
            logging.error("Error in file copy - %s", error)
            return False

    file_io.IOPathManager = SimpleNamespace(
        open=lambda path, **how: open(path, **how),
        copy=copy,
        exists=os.path.exists,
        isfile=os.path.isfile,
        ls=os.listdir,
        mkdirs=lambda path: os.makedirs(path, exist_ok=True),
        rm=os.remove,
        get_local_path=lambda path, **_: path,
        _path_handlers={},
    )
    os.rename, os.replace = renaming(os.rename), renaming(os.replace)
