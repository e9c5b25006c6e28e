"""fairseq's own checkpoints: whole, or not at all, also where a disk is full."""

import shutil

from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from ..checkpoints.sentences import exits
from ..checkpoints.whole_file import whole_file
from ..checkpoints.writing import write_checkpoint


def save_whole_files() -> None:
    """Make fairseq's writing and copying of checkpoints all or nothing in this process.

    It writes one checkpoint, when that fails a second and third time behind what is there of
    the first, and copies it over the others in place: a process that is killed meanwhile, or
    has no more room, leaves a truncated ``checkpoint_last.pt``, from which nothing can go on.
    It also replaces a symbolic link by what it writes. What is not on a disk (its
    PathManager's S3) and ``--save-async`` stay as they are.
    """
    copy, save = PathManager.copy, checkpoint_utils.torch_persistent_save

    def copy_whole(src_path, dst_path, overwrite=False):
        if not overwrite or not all(map(PathManager.supports_rename, (src_path, dst_path))):
            return copy(src_path, dst_path, overwrite)
        with exits(), open(src_path, "rb") as source, whole_file(dst_path) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return True

    def save_whole(obj, filename, async_write=False):
        if async_write or not PathManager.supports_rename(filename):
            return save(obj, filename, async_write)
        with exits():
            write_checkpoint(obj, filename)

    PathManager.copy = staticmethod(copy_whole)
    checkpoint_utils.torch_persistent_save = save_whole
