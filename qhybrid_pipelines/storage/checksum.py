"""Whether a large file still is what was written: its size and CRC-32 are in a small file of their own.

Meant for damage, not for malice: a disk that gives back other bytes, a copy that was cut off, a program that wrote to
the file. CRC-32 runs at some gigabytes a second, so that looking costs little more than reading.
"""

from __future__ import annotations

import zlib
from pathlib import Path

CHUNK_BYTES = 1 << 20


def checksum(path: Path) -> str:
    """Return size and CRC-32 of a file's content, in words."""
    size, crc = 0, 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return f"{size} bytes, CRC-32 {crc:08x}\n"
