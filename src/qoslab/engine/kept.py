"""Kept machine code is read without what only a compiler needs."""

from __future__ import annotations

from typing import Any

from numba.core.runtime import rtsys

from qoslab.engine.diskcache import KernelCache

__all__ = ["KeptKernels"]


class KeptKernels(KernelCache):
    """A kernel's cache that leaves Numba's tables of types and functions unread until something must be compiled.

    Numba fills them before it looks for kept code, a sixth of a whole warm start. Code that was compiled once needs
    none of them: it is linked with the runtime that counts references and with the symbols of hashes, and its wrappers
    are in it. The compiler fills them itself when it starts.
    """

    def _read(self, sig: Any, target_context: Any) -> Any | None:
        if not hasattr(self, "_load_overload"):  # a name of Numba's own: another version may have another one
            return super()._read(sig, target_context)
        import numba.cpython.hashing  # noqa: F401 - gives the linker its symbols

        try:
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except Exception:
            return None
