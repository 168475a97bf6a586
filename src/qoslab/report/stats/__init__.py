"""Statistics of the laboratory: intervals, comparisons, equivalence, ranks, precision, crossings.

Pure functions on NumPy arrays; SciPy is imported where it is called, so that importing this package is cheap.
"""

from qoslab.report.stats.batchmeans import SteadyState, mser, steady_state, steady_state_of_sums
from qoslab.report.stats.compare import Comparison, compare, compare_all, holm
from qoslab.report.stats.crossing import Crossing, Segment, crossings, segments
from qoslab.report.stats.equivalence import Equivalence, equivalent_mean, equivalent_ratio
from qoslab.report.stats.intervals import Interval, bootstrap, clopper_pearson, student, wilson
from qoslab.report.stats.pairs import Pairs, pair
from qoslab.report.stats.precision import Precision, precision, seeds_needed, seeds_to_decide
from qoslab.report.stats.ranks import Ranking, rank
from qoslab.report.stats.ratio import ratio_of_means

__all__ = [
    "Comparison",
    "Crossing",
    "Equivalence",
    "Interval",
    "Pairs",
    "Precision",
    "Ranking",
    "Segment",
    "SteadyState",
    "bootstrap",
    "clopper_pearson",
    "compare",
    "compare_all",
    "crossings",
    "equivalent_mean",
    "equivalent_ratio",
    "holm",
    "mser",
    "pair",
    "precision",
    "rank",
    "ratio_of_means",
    "seeds_needed",
    "seeds_to_decide",
    "segments",
    "steady_state",
    "steady_state_of_sums",
    "student",
    "wilson",
]
