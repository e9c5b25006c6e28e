"""What an offline run of W&B has written."""

import glob
import json


def wandb_messages(path):
    """The records of a .wandb file: LevelDB's log format after a header of 7 bytes.

    Blocks of 32 KB; in them pieces of records, each after a checksum (4 bytes), its length
    (2) and whether it is a whole record (1), or the first (2), a middle (3), the last (4) part.
    """
    with open(path, "rb") as f:
        content = f.read()
    assert content[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def wandb_records(folder):
    """(config, rows of history) of the offline run in ``folder``."""
    from wandb.proto import wandb_internal_pb2

    (path,) = glob.glob(str(folder / "wandb" / "offline-run-*" / "*.wandb"))
    config, rows = {}, []
    for message in wandb_messages(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(message)
        for source in (record.run.config, record.config):
            config.update((item.key, json.loads(item.value_json)) for item in source.update)
        if record.HasField("history"):
            rows.append(
                {
                    item.key or ".".join(item.nested_key): json.loads(item.value_json)
                    for item in record.history.item
                }
            )
    return config, rows
