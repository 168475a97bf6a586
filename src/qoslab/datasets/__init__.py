"""External data: what there is, under which licence, and how verified bytes of it come to this machine."""

from qoslab.datasets.dataset import DataFile, Dataset, Edition, github
from qoslab.datasets.errors import AlteredData, FetchError
from qoslab.datasets.locate import Located, locate, resolver
from qoslab.datasets.registry import all_datasets, get_dataset, register_dataset

__all__ = [
    "AlteredData",
    "DataFile",
    "Dataset",
    "Edition",
    "FetchError",
    "Located",
    "all_datasets",
    "get_dataset",
    "github",
    "locate",
    "register_dataset",
    "resolver",
]
