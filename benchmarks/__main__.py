"""`make bench`: every benchmark of this folder, one after another, ratios measured in one run."""

from __future__ import annotations

import runpy
from pathlib import Path


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*_speed.py")):
        print(f"== {path.stem}", flush=True)
        runpy.run_path(str(path), run_name="__main__")


main()
