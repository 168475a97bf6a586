"""Images with classes, for learning over many clients."""

from __future__ import annotations

from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.registry import register_dataset

register_dataset(
    Dataset(
        id="mnist",
        summary="Handwritten digits of 28 x 28 pixels, 60,000 for training and 10,000 for testing, as IDX files",
        licence="none stated",
        licence_note="the authors' page states no licence",
        citation="""\
@article{lecun1998gradient,
  author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  title = {Gradient-Based Learning Applied to Document Recognition},
  journal = {Proceedings of the IEEE},
  year = {1998}
}
""",
        redistributable=False,
        homepage="https://yann.lecun.com/exdb/mnist/",
        obtain="mirrors have the authors' four .gz files; `qoslab data import mnist --from FOLDER` checks them",
        files=(
            DataFile.of(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                9912422,
            ),
            DataFile.of(
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                28881,
            ),
            DataFile.of(
                "t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                1648877,
            ),
            DataFile.of(
                "t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                4542,
            ),
        ),
    )
)
