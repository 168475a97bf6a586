"""qoslab: the laboratory for quality of service in networks."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Result", "Study", "__version__"]

if TYPE_CHECKING:
    from qoslab.app.api import Result, Study


def __getattr__(name: str) -> Any:
    """Load the facade on first use: `import qoslab` itself loads nothing heavy."""
    if name in {"Result", "Study"}:
        import importlib

        return getattr(importlib.import_module("qoslab.app.api"), name)
    message = f"module 'qoslab' has no attribute {name!r}"
    raise AttributeError(message)
