"""What a results folder keeps beside its rows: the study file, the users' files, trained weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.study.closure import local_modules
from qoslab.study.files import write_whole
from qoslab.study.study import Study
from qoslab.study.userfile import digest

__all__ = ["STUDY", "keep_files", "kept_input", "kept_method_file", "weights_file"]

STUDY = "study.toml"


def keep_files(study: Study, folder: Path) -> None:
    """Copy the study file and the users' method files into a results folder.

    Args:
        study: The study.
        folder: The results folder. Method files lie under `files/` by the digest of their content, so that the
            files of earlier rows stay as they were.

    Raises:
        DiskFull: There was no room.
    """
    _write(folder / STUDY, study.text or _described(study))
    for case in study.methods:
        file = case.source.file
        if file is not None:
            home = kept_method_file(folder, digest(file), file.name).parent
            for path in local_modules(file):
                _write(home / path.relative_to(file.parent), path.read_bytes())


def kept_method_file(folder: Path, content: str, name: str) -> Path:
    """Where a results folder keeps a user's method file.

    Raises:
        BadInput: The journal, which may be a stranger's, gives it a name that leads elsewhere.
    """
    return folder / "files" / _safe(folder, content[:16]) / _safe(folder, name)


def weights_file(folder: Path, fingerprint: str) -> Path:
    """Where a results folder keeps the weights of a training."""
    return folder / "weights" / f"{fingerprint}.safetensors"


def kept_input(folder: Path, content: str) -> Path:
    """Where an archive keeps a file that a scenario or method names, by the digest of its content."""
    return folder / "files" / "inputs" / content


def _safe(folder: Path, name: object) -> str:
    """A name that leads to no other folder."""
    if not isinstance(name, str) or name in {"", ".", ".."} or not set(name).isdisjoint("/\\:\0"):
        message = f"the results name a method file {ascii(name)[:100]}: that is no plain name of a file"
        raise BadInput(Problem(message=message, path=folder))
    return name


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, data)


def _described(study: Study) -> bytes:
    """What stands in place of a study file where the study was made in Python."""
    return "\n".join(_lines(study)).encode() + b"\n"


def _lines(study: Study) -> Iterator[str]:
    yield "# Made in Python; scenarios and methods stand in the journal."
    yield "[study]"
    for key in ("name", "domain", "seeds", "seed", "time_limit_s", "train_limit_s", "series"):
        yield f"{key} = {json.dumps(getattr(study, key), ensure_ascii=False)}"
    for method in study.methods:
        yield f"# method {json.dumps(method.label)}: {method.id}"
    for scenario in study.scenarios:
        yield f"# scenario {json.dumps(scenario.label)}"
