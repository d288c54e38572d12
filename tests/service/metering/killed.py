"""A process that is killed: run by ``test_kill``.

For each line on stdin, ``first version own``, it forks a child that opens a meter, writes events numbered from
``first`` on, and acknowledges each write in a file only after it. The parent prints the child's id, and then that it
is dead. Forking spares the imports at each kill.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from tunesmith.service.metering.event import Event
from tunesmith.service.metering.meter import Meter
from tunesmith.service.store.connect import connect


def work(url: str, folder: Path, first: int, version: str, own: bool) -> None:
    draw = random.Random(os.getpid())
    acknowledged = os.open(folder / f"acknowledged-{version}-{first}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    meter = Meter(connect(url), folder / "wal", every=0.002, largest=3000)  # many settlings and many files
    id = "client-" if own else f"req_{version}-"
    while True:
        last = first + draw.randrange(1, 4)
        meter.write([Event(f"{id}{n}", "key", "product", version, rows=1, tokens=n) for n in range(first, last)])
        os.write(acknowledged, b"".join(b"%d\n" % n for n in range(first, last)))
        first = last


def main() -> None:
    for line in sys.stdin:
        first, version, own = line.split()
        child = os.fork()
        if child == 0:
            work(sys.argv[1], Path(sys.argv[2]), int(first), version, own == "own")
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)


if __name__ == "__main__":
    main()
