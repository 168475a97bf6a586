"""Topologies of topohub 1.5.1 as files, for those who have them in a data folder instead of the package.

Node-link JSON with positions and link lengths; `topohub.json` beside this module lists name, path, length, sha256.
"""

from __future__ import annotations

import json
from importlib.resources import files

from qoslab.datasets.dataset import DataFile, Dataset, github
from qoslab.datasets.registry import register_dataset

_SOURCE = ("piotrjurkiewicz/topohub", "db1a31247ffd4ed5875d584c91fed305a3f94a1e")

_TOPOHUB = """\
@article{jurkiewicz2023topohub,
  author = {Jurkiewicz, Piotr},
  title = {{TopoHub}: A Repository of Reference {Gabriel} Graph and Real-World Topologies for Networking Research},
  journal = {SoftwareX},
  volume = {24},
  pages = {101540},
  year = {2023}
}
"""
_SNDLIB = """\
@article{orlowski2010sndlib,
  author = {Orlowski, Sebastian and Wess{\\"a}ly, Roland and Pi{\\'o}ro, Micha{\\l} and Tomaszewski, Artur},
  title = {{SNDlib} 1.0: Survivable Network Design Library},
  journal = {Networks},
  volume = {55},
  number = {3},
  pages = {276--286},
  year = {2010}
}
"""
_ZOO = """\
@article{knight2011zoo,
  author = {Knight, Simon and Nguyen, Hung X. and Falkner, Nickolas and Bowden, Rhys and Roughan, Matthew},
  title = {The {Internet} {Topology} {Zoo}},
  journal = {IEEE Journal on Selected Areas in Communications},
  volume = {29},
  number = {9},
  pages = {1765--1775},
  year = {2011}
}
"""

# Folder, summary, whether it may be passed on, licence note, original publication.
_SETS = (
    ("gabriel", "Synthetic Gabriel graphs of 5 to 100 nodes, two of each size", True, "", ""),
    (
        "sndlib",
        "Backbone networks with demand matrices from SNDlib",
        False,
        "topohub is MIT; SNDlib's own files are under the ZIB Academic License (non-commercial)",
        _SNDLIB,
    ),
    (
        "topozoo",
        "Networks of operators from the Internet Topology Zoo, without demands",
        False,
        "topohub is MIT; the Topology Zoo behind it is research data of the University of Adelaide",
        _ZOO,
    ),
)


def _register() -> None:
    table = json.loads(files("qoslab.datasets.tables").joinpath("topohub.json").read_bytes())
    for folder, summary, free, note, original in _SETS:
        register_dataset(
            Dataset(
                id=f"topohub-{folder}",
                summary=summary,
                licence="MIT",
                licence_note=note,
                citation=_TOPOHUB + original,
                redistributable=free,
                homepage="https://github.com/piotrjurkiewicz/topohub",
                files=tuple(
                    DataFile.of(
                        name,
                        sha256,
                        size,
                        url=github(*_SOURCE, f"data/{path}"),
                        folder_path=f"networks/topohub/{folder}/{name}",
                    )
                    for name, path, size, sha256 in table[folder]
                ),
            )
        )


_register()
