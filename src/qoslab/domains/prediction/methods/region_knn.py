"""Neighbourhood prediction between regions of similar users."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.completion import by_parameter
from qoslab.domains.prediction.data import Codes, FloatArray, Known
from qoslab.domains.prediction.neighbourhood import pearson

__all__ = ["RegionKNN", "centres", "merged", "outlying"]

CITATION = """@inproceedings{chen2010regionknn,
  author = {Chen, Xi and Liu, Xudong and Huang, Zicheng and Sun, Hailong},
  title = {{RegionKNN}: A Scalable Hybrid Collaborative Filtering Algorithm for Personalized Web Service
           Recommendation},
  booktitle = {IEEE International Conference on Web Services},
  year = {2010}
}"""

_NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

_KINDS = ("as", "country")
"""Kinds of context that tell where a user is, the finest first."""


@method(
    "prediction",
    "region_knn",
    summary="means over regions of similar users, with services that a region sees differently (RegionKNN)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class RegionKNN:
    """RegionKNN of Chen, Liu, Huang and Sun (ICWS 2010), from the descriptions of it in later work.

    A region starts as the users of one AS (or country; or one user, without context); its centre is the median of its
    members' values of each service. A value beyond `deviations` robust standard deviations above the service's median
    is outlying; a region most of whose values are so, by the share `sensitive`, stays by itself. Regions that are each
    other's most correlated ones merge, in rounds, while their correlation is above `similarity`. A user's value of a
    service that is outlying in its region is the region's centre; any other is the user's mean and the deviations of
    the most correlated regions' centres from theirs, its own among them.

    Attributes:
        neighbours: Number of most correlated regions that are asked.
        similarity: Least correlation of regions that merge.
        sensitive: Share of outlying values above which a region stays by itself.
        deviations: Robust standard deviations above the median from which on a value is outlying.
    """

    neighbours: Annotated[int, Field(ge=1)] = 10
    similarity: Annotated[float, Field(ge=0, le=1)] = 0.95
    sensitive: Annotated[float, Field(ge=0, le=1)] = 0.8
    deviations: Annotated[float, Field(gt=0)] = 3.0

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Make regions for each parameter and complete its table; within what was seen."""
        start = _start(known)
        return by_parameter(known, seed, lambda table, _: self._one(table, start, context))

    def _one(self, table: FloatArray, start: Codes, context: Context) -> FloatArray:
        strange = outlying(table, self.deviations)
        region = start
        while True:
            context.check_time()
            centre = centres(table, region)
            free = centres(np.where(np.isfinite(table), strange, np.nan), region, "mean")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a region without data has no share
                alone = np.nanmean(free, axis=1) > self.sensitive
            common = np.isfinite(centre).astype(float)
            found = merged(region, pearson(centre), common @ common.T, alone, self.similarity)
            if found.max() == region.max():
                break
            region = found
        return self._predict(table, region, centre, free > 0.5)

    def _predict(
        self, table: FloatArray, region: Codes, centre: FloatArray, strange: NDArray[np.bool_]
    ) -> FloatArray:
        users = len(table)
        similarity = np.maximum(pearson(np.concatenate([table, centre]))[:users, users:], 0.0)
        if self.neighbours < similarity.shape[1]:
            least = np.partition(similarity, -self.neighbours, axis=1)[:, -self.neighbours, None]
            similarity = np.where(similarity >= least, similarity, 0.0)
        mask = np.isfinite(centre)
        above = np.where(mask, centre - mean_along(centre[None], axis=2)[0], 0.0)
        weight = similarity @ mask
        mean = mean_along(table[None], axis=2)[0]
        found = mean + np.where(weight > 0, similarity @ above / np.where(weight > 0, weight, 1.0), 0.0)
        own = strange[region] & mask[region]
        return np.where(own, centre[region], found)


def outlying(table: FloatArray, deviations: float) -> NDArray[np.bool_]:
    """Which values lie many robust standard deviations above their service's median; it needs three values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # services without data
        median = np.nanmedian(table, axis=0)
        spread = _NORMAL_MAD * np.nanmedian(np.abs(table - median), axis=0)
    enough = np.isfinite(table).sum(axis=0) >= 3
    return np.asarray((table > median + deviations * spread) & enough)


def centres(table: FloatArray, region: Codes, kind: str = "median") -> FloatArray:
    """Median (or mean) over each region's users of each service, shape (regions, services), NaN without data."""
    out = np.full((int(region.max()) + 1, table.shape[1]), np.nan)
    average = np.nanmedian if kind == "median" else np.nanmean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # services that nobody of the region knows
        for r in range(len(out)):
            members = table[region == r]
            out[r] = members[0] if len(members) == 1 else average(members, axis=0)
    return out


def merged(
    region: Codes, similarity: FloatArray, common: FloatArray, alone: NDArray[np.bool_], least: float
) -> Codes:
    """Regions after one round: pairs that are each other's nearest, more similar than `least` and free, become one.

    Of several that are equally near, as all are that share two services, the one with the most services in common is
    nearest.

    Args:
        region: Region of each user, numbered from zero.
        similarity: Between regions.
        common: How many services two regions both have values of.
        alone: Regions that do not merge.
        least: Similarity that a pair must exceed.
    """
    open_to = np.where(alone[:, None] | alone[None], -1.0, similarity)
    np.fill_diagonal(open_to, -1.0)
    near = open_to == open_to.max(axis=1, keepdims=True)
    nearest = np.where(near, common, -1.0).argmax(axis=1)
    numbers = np.arange(len(similarity))
    pairs = (nearest[nearest] == numbers) & (open_to[numbers, nearest] > least)
    joined = np.where(pairs, np.minimum(numbers, nearest), numbers)
    return np.unique(joined[region], return_inverse=True)[1].reshape(-1)


def _start(known: Known) -> Codes:
    """Each user's first region: its AS, else its country, else itself; users of unknown place are by themselves."""
    kind = next((kind for kind in _KINDS if kind in known.user_context), None)
    own = np.arange(known.users)
    if kind is None:
        return own
    codes = known.user_context[kind]
    return np.unique(np.where(codes < 0, codes.max() + 1 + own, codes), return_inverse=True)[1].reshape(-1)
