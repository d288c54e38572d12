"""What a program may use up."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a program may use up, its tests included.

    Args:
        seconds: of the clock, and of the processor.
        memory: bytes of address space.
        output: bytes that it may print; the first ``shown`` are kept.
        shown: bytes of what it printed that are kept.
        file_size: bytes of any file that it writes.
        folder: bytes of all files that it writes.
        files: that it writes.
        threads: that it may start.
    """

    seconds: float = 5.0
    memory: int = 512 * MB
    output: int = MB
    shown: int = 4096
    file_size: int = 8 * MB
    folder: int = 32 * MB
    files: int = 256
    threads: int = 128
