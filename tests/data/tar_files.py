"""A folder of several small tar files, as `vitcrypt pack` writes them of many images."""

import io
import tarfile

from vitcrypt.folders import pack_shards


def several(enc, out):
    """Pack an encrypted folder into one tar file, and deal its images out to three."""
    pack_shards(enc, out)
    with tarfile.open(out / "000000.tar") as whole:
        members = [(member, whole.extractfile(member).read()) for member in whole]
    for number in range(3):
        with tarfile.open(out / f"{number:06}.tar", "w") as shard:
            for member, data in members[number::3]:
                shard.addfile(member, io.BytesIO(data))
