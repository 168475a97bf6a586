"""Runs of a quantum-network simulator, for comparison with ours."""

from __future__ import annotations

from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.registry import register_dataset

_MQNS = """\
@article{abane2026multiverse,
  author = {Abane, Amar and Shi, Junxiao and Mai, Van Sy and Amlou, Abderrahim and Battou, Abdella},
  title = {Multiverse: A Simulator for Evaluating Entanglement Routing in Quantum Networks},
  journal = {IEEE Internet Computing},
  volume = {30},
  number = {1},
  pages = {7--15},
  year = {2026},
  doi = {10.1109/MIC.2026.3651126}
}
"""


def _measured(name: str, size: int, sha256: str) -> DataFile:
    return DataFile.of(name, sha256, size, folder_path=f"quantum/{name}")


register_dataset(
    Dataset(
        id="mqns-runs",
        summary="Runs of MQNS 278041c: a chain of 3 nodes, 20 seeds; ten random networks of 16 nodes, one seed each",
        licence="none stated",
        licence_note="figures that MQNS (GPL-3.0) gave; nothing of its source",
        citation=_MQNS,
        redistributable=False,
        homepage="https://github.com/usnistgov/mqns",
        obtain="nobody serves these files; `qoslab data import mqns-runs --from FOLDER` checks copies of your own",
        files=(
            _measured(
                "random16_topologies.json",
                4915,
                "e397f654e29a835b1624f0f694011c0b00f238097c0ce4e7c15f9bbe411f6483",
            ),
            _measured(
                "random16_mqns_results.json",
                6943,
                "0feabce50d8e3e51f861d045b2f3ecb368c65045cfb7f6eef247f8e47951cdd5",
            ),
            _measured(
                "chain3_mqns_results.json",
                9036,
                "8edc6726adacdaae971a88582b0152ce0d8eb23021de4d01719c9c6eb3bb4f3e",
            ),
        ),
    )
)
