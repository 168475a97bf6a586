"""A user's own methods: a Python file named in a study, read as text by `check` and executed only by `run`."""

from __future__ import annotations

import ast
import importlib.util
import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.method import MethodEntry
from qoslab.core.registry import registry
from qoslab.study.closure import local_modules

__all__ = ["digest", "entry_in", "frame_in", "look_at"]

_loading = threading.Lock()
_loaded: dict[tuple[Path, str], tuple[MethodEntry, ...]] = {}


def digest(path: Path) -> str:
    """What a user's file and the modules beside it that it imports are known by."""
    state = blake2b(digest_size=16)
    for source, content in local_modules(path).items():
        state.update(f"{source.relative_to(path.parent)}={content}\n".encode())
    return state.hexdigest()


def look_at(path: Path, name: str) -> list[Problem]:
    """What can be said against a method's file without executing it.

    Args:
        path: The file.
        name: The method that it should register.

    Returns:
        Problems: no such file, no Python, or the name stands nowhere in it.
    """
    if not path.is_file():
        return [Problem(message=f"there is no file {str(path)!r}")]
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        return [_syntax(path, error)]
    except ValueError as error:
        return [Problem(message=f"this is no Python file: {error}", path=path)]
    words = set(_words(tree))
    if name in words:
        return []
    hint = did_you_mean(name, _registered(tree)) or "a method is registered by `@method(DOMAIN, NAME, ...)`"
    return [Problem(message=f"the file registers no method {name!r}", path=path, hint=hint)]


def entry_in(path: Path, domain: str, name: str) -> MethodEntry:
    """The method a user's file registers under a name; the file is executed now, once for each content.

    Args:
        path: The file.
        domain: The study's domain.
        name: The method's name.

    Raises:
        BadInput: The file fails, or registers no such method; the message names the user's own line.
    """
    entries = _load(path)
    for entry in entries:
        if entry.name == name and entry.domain == domain:
            return entry
    if any(entry.name == name for entry in entries):
        message = f"method {name!r} is registered for another domain than the study's, {domain!r}"
        raise BadInput(Problem(message=message, path=path))
    known = [entry.name for entry in entries if entry.domain == domain]
    message = f"the file registers no method {name!r} for domain {domain!r}"
    raise BadInput(Problem(message=message, path=path, hint=did_you_mean(name, known)))


def frame_in(folder: Path, trace: TracebackType | None) -> traceback.FrameSummary | None:
    """The innermost frame of a traceback that stands in a file under a folder."""
    mine = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(folder)]
    return mine[-1] if mine else None


def _load(path: Path) -> tuple[MethodEntry, ...]:
    if not path.is_file():
        raise BadInput(Problem(message=f"there is no file {str(path)!r}"))
    key = path, digest(path)
    with _loading:
        if key not in _loaded:
            _loaded[key] = _execute(*key)
        return _loaded[key]


def _execute(path: Path, content: str) -> tuple[MethodEntry, ...]:
    """Execute a file under a name of its own, so that two contents of one file never meet."""
    name = f"qoslab_user_{path.stem}_{content[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(Problem(message="a method's file is a Python file, `.py`", path=path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with registry.collecting() as entries, _importable(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BadInput(_problem(path, error)) from None
    except BaseException:
        del sys.modules[name]
        raise
    return tuple(entries)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a user's file import the modules beside it, read afresh, as they may have changed since last time."""
    before, writes = set(sys.modules), sys.dont_write_bytecode
    # Bytecode is found by the second of a file's last change: too coarse for somebody who edits and runs.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    linecache.checkcache()
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and Path(origin).is_relative_to(folder) and not name.startswith("qoslab_user_"):
                del sys.modules[name]
        # Imports inside functions happen later; by then the folder comes last, where it hides nothing.
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _problem(path: Path, error: BaseException) -> Problem:
    if isinstance(error, SyntaxError) and error.filename:
        return _syntax(Path(error.filename), error)
    frame = frame_in(path.parent, error.__traceback__)
    message = f"the file failed: {type(error).__name__}: {error}"
    if frame is None:
        return Problem(message=message, path=path)
    return Problem(message=message, path=Path(frame.filename), line=frame.lineno, quote=frame.line or None)


def _syntax(path: Path, error: SyntaxError) -> Problem:
    quote = error.text.rstrip("\n") if error.text else None
    column = error.offset if quote is not None and error.offset else None
    return Problem(message=str(error.msg), path=path, line=error.lineno, column=column, quote=quote)


def _words(tree: ast.AST) -> Iterator[str]:
    """Everything a method's name could be: any text constant, any function or class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def _registered(tree: ast.AST) -> Iterator[str]:
    """The names that decorators are given, best guesses for a hint."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    texts = [a.value for a in decorator.args if isinstance(a, ast.Constant)]
                    yield from (text for text in texts[-1:] if isinstance(text, str))
