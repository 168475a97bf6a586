"""Run by test_toml_reading: CPU seconds and peak kilobytes that reading one file costs, and whether it was read."""

import resource
import sys
import time
from pathlib import Path

from qoslab.core.errors import BadInput
from qoslab.core.located import read_toml


def peak():
    status = Path("/proc/self/status")  # unlike ru_maxrss it does not count what the parent process used
    if status.exists():
        return next(
            int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


base, start = peak(), time.process_time()
try:
    document = read_toml(sys.argv[1])
except BadInput:
    document = None
seconds = time.process_time() - start
grown = peak() - base
print(seconds, grown, "refused" if document is None else "read")
