"""Which source files a piece of code rests on: the closure of its imports, read from the text, never imported."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

__all__ = ["digest_of", "imported_names", "local_modules", "module_closure"]

_SILENT = frozenset(
    f"qoslab.core.{name}"
    for name in ("check", "context", "domain", "errors", "files", "located", "method", "metric", "registry")
)
"""How the laboratory finds things and speaks: no number rests on them."""
_DATA_NAME = re.compile(r"\w[\w.-]{0,200}\.\w{1,16}", re.ASCII)
_SILENT_ROOMS = ("qoslab.draw", "qoslab.study", "qoslab.report", "qoslab.testing", "qoslab.app")


def module_closure(*modules: str) -> dict[str, str]:
    """The source a set of modules rests on, within their own packages and qoslab.

    Imports anywhere in a file count, those inside functions too. A parent package counts where something is
    imported from it; otherwise its `__init__` only registers. A file beside a module that the module names in
    a string, such as a table of numbers, is source too.

    Args:
        *modules: Dotted names.

    Returns:
        Digest of each source file by its module's name, and of each other file by `PACKAGE/NAME`, sorted.
    """
    packages = {name.partition(".")[0] for name in modules} | {"qoslab"}
    found: dict[str, str] = {}
    open_ = list(modules)
    while open_:
        name = open_.pop()
        path = _source(name)
        if name in found or path is None or _is_silent(name):
            continue
        found[name] = digest_of(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found |= {f"{package}/{data.name}": digest_of(data) for data in _data_beside(path)}
        open_ += [other for other in _imports(path, name) if other.partition(".")[0] in packages]
    return dict(sorted(found.items()))


def local_modules(file: Path) -> dict[Path, str]:
    """A user's file and the modules beside it that it imports, directly or through each other.

    Args:
        file: A Python file outside any package.

    Returns:
        Digest of each by its path, sorted. A file that is no Python is taken as it is.
    """
    found: dict[Path, str] = {}
    open_ = [file]
    while open_:
        path = open_.pop()
        if path in found:
            continue
        found[path] = digest_of(path)
        parts = (name.split(".") for name in _imports(path, ""))
        open_ += [near for names in parts if (near := _beside(file.parent, names)) is not None]
    return dict(sorted(found.items()))


def imported_names(file: Path) -> tuple[str, ...]:
    """Every module name that a file's import statements could mean; none where it is no Python."""
    return _imports(file, "")


def digest_of(path: Path) -> str:
    """The digest of a file's bytes; read again only after the file changed."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, _changed: int, _size: int) -> str:
    state = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def _imports(path: Path, module: str) -> tuple[str, ...]:
    status = path.stat()
    return _parsed(path, status.st_mtime_ns, status.st_size, module)


@functools.lru_cache(maxsize=4096)
def _parsed(path: Path, _changed: int, _size: int, module: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(dict.fromkeys(_named(tree, package)))


def _data_beside(path: Path) -> list[Path]:
    status = path.stat()
    words = _file_names(path, status.st_mtime_ns, status.st_size)
    return [file for word in words if (file := path.with_name(word)).is_file()]


@functools.lru_cache(maxsize=4096)
def _file_names(path: Path, _changed: int, _size: int) -> tuple[str, ...]:
    """The strings in a module that may be names of files of data."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    strings = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is str
    }
    return tuple(sorted(word for word in strings if _DATA_NAME.fullmatch(word) and not word.endswith(".py")))


def _named(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            if base:
                yield base
            for alias in node.names:
                yield f"{base}.{alias.name}" if base else alias.name


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _source(module: str) -> Path | None:
    top, *rest = module.split(".")
    for root in _roots(top):
        found = _beside(root, rest) if rest else _existing(root / "__init__.py")
        if found is not None:
            return found
    return _single(top) if not rest else None


@functools.cache
def _roots(top: str) -> tuple[Path, ...]:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    return tuple(map(Path, spec.submodule_search_locations or ())) if spec else ()


@functools.cache
def _single(top: str) -> Path | None:
    """A module that is no package, such as a plug-in of one file."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _beside(folder: Path, parts: list[str]) -> Path | None:
    if not parts:
        return None
    return _existing(folder.joinpath(*parts, "__init__.py")) or _existing(
        folder.joinpath(*parts[:-1], f"{parts[-1]}.py")
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _is_silent(module: str) -> bool:
    return module in _SILENT or module.startswith(_SILENT_ROOMS)
