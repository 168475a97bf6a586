"""Images with classes, for learning over many clients."""

from __future__ import annotations

from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.registry import register_dataset

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""The authors' files, where their own page does not serve them any more."""

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
        obtain="fetched from a mirror; `qoslab data import mnist --from FOLDER` checks copies of your own",
        files=(
            DataFile.of(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                9912422,
                url=_MNIST + "train-images-idx3-ubyte.gz",
            ),
            DataFile.of(
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                28881,
                url=_MNIST + "train-labels-idx1-ubyte.gz",
            ),
            DataFile.of(
                "t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                1648877,
                url=_MNIST + "t10k-images-idx3-ubyte.gz",
            ),
            DataFile.of(
                "t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                4542,
                url=_MNIST + "t10k-labels-idx1-ubyte.gz",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="emnist",
        summary="Handwritten letters and digits of 28 x 28 pixels, six splits, as IDX files in one archive",
        licence="none stated",
        licence_note="made from NIST Special Database 19; the page states no licence",
        citation="""\
@inproceedings{cohen2017emnist,
  author = {Cohen, Gregory and Afshar, Saeed and Tapson, Jonathan and van Schaik, Andr{\\'e}},
  title = {{EMNIST}: Extending {MNIST} to Handwritten Letters},
  booktitle = {International Joint Conference on Neural Networks},
  year = {2017}
}
""",
        redistributable=False,
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        obtain="`qoslab data import emnist --from FOLDER` checks a copy of your own",
        files=(
            DataFile.of(
                "gzip.zip",
                "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
                561753746,
                url="https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
            ),
        ),
    )
)

register_dataset(
    Dataset(
        id="cifar-10",
        summary="Colour photographs of 32 x 32 pixels, ten classes, 50,000 for training, as binary batches",
        licence="none stated",
        licence_note="the authors' page asks for the citation and states no licence",
        citation="""\
@techreport{krizhevsky2009learning,
  author = {Krizhevsky, Alex},
  title = {Learning Multiple Layers of Features from Tiny Images},
  institution = {University of Toronto},
  year = {2009}
}
""",
        redistributable=False,
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        obtain="`qoslab data import cifar-10 --from FOLDER` checks a copy of your own",
        files=(
            DataFile.of(
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                170052171,
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            ),
        ),
    )
)
