from __future__ import annotations

import sys
from pathlib import Path

# Worker processes import the test domain by name, so it stands in a package of its own.
sys.path.insert(0, str(Path(__file__).parent))
