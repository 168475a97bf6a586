"""Methods whose rounds another method may follow: by name, or by a table of their parameters.

Each class is a method with its name beside its parameters, so that two of equal parameters stay apart wherever their
values are compared, kept or read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.federation.methods.data_sharing import DataSharing
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedavg_momentum import FedAvgMomentum
from qoslab.domains.federation.methods.feddyn import FedDyn
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.krum import Krum
from qoslab.domains.federation.methods.median import Median
from qoslab.domains.federation.methods.scaffold import Scaffold
from qoslab.domains.federation.methods.trimmed_mean import TrimmedMean
from qoslab.domains.federation.strategy import Strategy

__all__ = [
    "BASES",
    "Base",
    "BaseName",
    "OnDataSharing",
    "OnFedAvg",
    "OnFedAvgMomentum",
    "OnFedDyn",
    "OnFedProx",
    "OnKrum",
    "OnMedian",
    "OnScaffold",
    "OnTrimmedMean",
    "base_of",
]

BaseName = Literal[
    "fedavg",
    "fedavg_momentum",
    "fedprox",
    "scaffold",
    "feddyn",
    "data_sharing",
    "median",
    "trimmed_mean",
    "krum",
]


@dataclass(frozen=True)
class OnFedAvg(FedAvg):
    """`fedavg` and its parameters."""

    id: Literal["fedavg"] = "fedavg"


@dataclass(frozen=True)
class OnFedAvgMomentum(FedAvgMomentum):
    """`fedavg_momentum` and its parameters."""

    id: Literal["fedavg_momentum"] = "fedavg_momentum"


@dataclass(frozen=True)
class OnFedProx(FedProx):
    """`fedprox` and its parameters."""

    id: Literal["fedprox"] = "fedprox"


@dataclass(frozen=True)
class OnScaffold(Scaffold):
    """`scaffold` and its parameters."""

    id: Literal["scaffold"] = "scaffold"


@dataclass(frozen=True)
class OnFedDyn(FedDyn):
    """`feddyn` and its parameters."""

    id: Literal["feddyn"] = "feddyn"


@dataclass(frozen=True)
class OnDataSharing(DataSharing):
    """`data_sharing`."""

    id: Literal["data_sharing"] = "data_sharing"


@dataclass(frozen=True)
class OnMedian(Median):
    """`median`."""

    id: Literal["median"] = "median"


@dataclass(frozen=True)
class OnTrimmedMean(TrimmedMean):
    """`trimmed_mean` and its parameters."""

    id: Literal["trimmed_mean"] = "trimmed_mean"


@dataclass(frozen=True)
class OnKrum(Krum):
    """`krum` and its parameters."""

    id: Literal["krum"] = "krum"


Base = Annotated[
    OnFedAvg
    | OnFedAvgMomentum
    | OnFedProx
    | OnScaffold
    | OnFedDyn
    | OnDataSharing
    | OnMedian
    | OnTrimmedMean
    | OnKrum,
    Field(discriminator="id"),
]

BASES: Mapping[str, type[Strategy]] = {
    "fedavg": OnFedAvg,
    "fedavg_momentum": OnFedAvgMomentum,
    "fedprox": OnFedProx,
    "scaffold": OnScaffold,
    "feddyn": OnFedDyn,
    "data_sharing": OnDataSharing,
    "median": OnMedian,
    "trimmed_mean": OnTrimmedMean,
    "krum": OnKrum,
}
"""By name, in the order in which `qoslab describe` tells them."""


def base_of(on: str | Strategy, field: str = "on") -> Strategy:
    """The method that a name or a table stands for.

    Args:
        on: A name, for default parameters; or one of this module's classes.
        field: What a refusal calls it.

    Raises:
        BadInput: It is neither, which only Python can bring about: study files are checked before.
    """
    if isinstance(on, str) and on in BASES:
        return BASES[on]()
    if not isinstance(on, str) and isinstance(on, tuple(BASES.values())):
        return on
    message = f"{on!r} is neither a name nor a method of qoslab.domains.federation.bases"
    raise BadInput(Problem(field=field, message=message, hint="known: " + ", ".join(BASES)))
