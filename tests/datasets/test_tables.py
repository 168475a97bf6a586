"""The datasets that come with qoslab, against their own rules and against the data folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qoslab.datasets import all_datasets, locate
from qoslab.datasets.dataset import Dataset
from qoslab.datasets.transport import check_url

FOLDER = os.environ.get("QOSLAB_DATA", "")

needs_data = pytest.mark.skipif(
    not Path(FOLDER, "workloads").is_dir(), reason="QOSLAB_DATA does not name the data folder"
)

FILES = [(dataset, file) for dataset in all_datasets() for file in dataset.files]


def test_the_data_sets_a_study_may_name():
    ids = {dataset.id for dataset in all_datasets()}
    assert {"azure-llm-2023", "azure-vm-noise", "flow-sizes", "request-rates", "wsdream-1"} <= ids


@pytest.mark.parametrize("dataset", all_datasets(), ids=lambda each: each.id)
def test_every_data_set_says_what_a_user_must_know(dataset: Dataset):
    assert dataset.summary
    assert not dataset.summary.endswith(".")
    assert len(dataset.summary) <= 110
    assert dataset.licence
    assert dataset.homepage.startswith("https://")
    # Entries of BibTeX with balanced braces and a title.
    assert re.match(r"@\w+\{\w+,", dataset.citation)
    assert dataset.citation.count("{") == dataset.citation.count("}")
    assert "title = {" in dataset.citation
    if dataset.licence == "none stated":
        assert not dataset.redistributable
        assert dataset.licence_note
    if any(file.url is None for file in dataset.files):
        assert dataset.obtain


PUBLISHERS = {
    "https://biometrics.nist.gov/cs_links/EMNIST/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://www.cs.toronto.edu/~kriz/",
}
"""Where sets that no repository holds are served: only with a SHA-256 and a length that the bytes must have."""


def test_every_address_is_fixed_for_ever_or_its_bytes_are():
    for _, file in FILES:
        if file.url is None:
            continue
        check_url(file.url)
        if file.url.rpartition("/")[0] + "/" in PUBLISHERS:
            assert all(edition.sha256 and edition.bytes for edition in file.editions)
        else:
            assert re.match(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/.", file.url)


def test_no_two_files_share_an_address_or_a_place():
    for key in ("url", "folder_path"):
        values = [getattr(file, key) for _, file in FILES if getattr(file, key) is not None]
        assert len(values) == len(set(values))


def test_every_file_can_be_had_somehow():
    for dataset, file in FILES:
        assert file.url or file.folder_path or dataset.obtain, dataset.reference(file)


@needs_data
@pytest.mark.data
def test_the_data_folder_has_what_the_tables_say(monkeypatch):
    monkeypatch.setenv("QOSLAB_DATA", FOLDER)
    listed = [(dataset, file) for dataset, file in FILES if file.folder_path is not None]
    assert len(listed) > 250
    for dataset, file in listed:
        found = locate(dataset.reference(file))
        assert found.origin == "QOSLAB_DATA"
        assert found.path == Path(FOLDER).absolute() / str(file.folder_path)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("folder", ["workloads", "graphs", "networks", "quantum"])
def test_the_tables_list_every_data_file_of_the_folder(folder):
    listed = {file.folder_path for _, file in FILES}
    here = {path.relative_to(FOLDER).as_posix() for path in Path(FOLDER, folder).rglob("*") if path.is_file()}
    unlisted = {path for path in here - listed if not re.search(r"README|SHA256SUMS|LICENSE", path)}
    assert unlisted == set()


@needs_data
@pytest.mark.data
def test_the_data_folder_can_be_imported(cache):
    from qoslab.datasets.commands import import_datasets

    rows = import_datasets(Path(FOLDER, "workloads"), ["azure-llm-2023", "flow-sizes", "flow-sizes-hkust"])
    assert {row.status for row in rows} == {"imported"}
    assert all(Path(row.path or "").is_relative_to(cache) for row in rows)


def test_registering_imports_nothing_heavy():
    code = (
        "import sys; from qoslab.datasets import all_datasets; assert all_datasets();"
        "print(*[m for m in ('numpy', 'urllib.request', 'http.client', 'ssl', 'platformdirs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"numpy"}  # The errors of core bring numpy with their package.


def test_a_git_name_alone_is_for_files_without_a_published_checksum():
    weak = {file.name for _, file in FILES if any(edition.sha256 is None for edition in file.editions)}
    assert weak == {"rtMatrix.txt", "tpMatrix.txt"}
