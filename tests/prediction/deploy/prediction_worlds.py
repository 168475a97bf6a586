"""Planted measurements with groups of users, and small models made from them."""

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy.making import Making, make_model
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis

USERS, SERVICES, COUNTRIES = 60, 120, 4
WORDS = ("Chile", "Fiji", "Mali", "Oman")


def planted(seed=0, noise=0.15, share=0.3, hidden=()):
    """Truth and what is known of it; users of one country are alike, `hidden` users measured nothing."""
    rng = np.random.default_rng(seed)
    country = rng.integers(COUNTRIES, size=USERS)
    centre = 1.2 * rng.standard_normal((2, COUNTRIES, 3))
    rows = centre[:, country] + 0.3 * rng.standard_normal((2, USERS, 3))
    points = rng.standard_normal((SERVICES, 3))
    points[:, 2] = 1.0
    logs = rows @ points.T + noise * rng.standard_normal((2, USERS, SERVICES))
    truth = np.exp(logs)
    mask = rng.random((USERS, SERVICES)) < share
    mask[list(hidden)] = False
    known = np.where(mask, truth, np.nan)
    sides = {"country": country}, {"country": np.full(SERVICES, -1)}
    return truth, Known(("rt", "tp"), known, *sides, {"country": WORDS})


def model_of(known, **changes):
    making = Making(**({"rounds": 4, "rank": 4, "folds": 8} | changes))
    return make_model(known, "factor_analysis", FactorAnalysis(rank=4), making, Context())
