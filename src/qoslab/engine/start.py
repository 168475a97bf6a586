"""Starting the compiler sooner."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

__all__ = ["spare_blas"]


def spare_blas() -> None:
    """Let Numba believe that there is a BLAS, without loading SciPy's linear algebra to see.

    Numba's compiler loads it when it starts, a sixth of the time of a whole warm start, only to note that `np.dot`
    would work. Kernels have no `np.dot`; code beside them that has one still loads it when it is compiled.
    """
    if "numba.np.arraymath" in sys.modules or find_spec("scipy") is None:
        return
    from numba.np import linalg

    module: Any = linalg
    check = module.ensure_blas
    module.ensure_blas = _present
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        module.ensure_blas = check


def _present() -> None:
    """There is one."""
