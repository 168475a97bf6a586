"""Colours told apart by most eyes, on white and on black, and by shape where colour fails."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qoslab.draw.palette import COLOURS, INK, looks

# Machado, Oliveira and Fernandes (2009), severity 1.0, in linear RGB.
DEFICIENCIES = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def _linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _contrast(a: str, b: str) -> float:
    low, high = sorted(float(_linear(c) @ np.array([0.2126, 0.7152, 0.0722])) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_first_four_colours_differ_for_colour_blind_eyes(deficiency: str) -> None:
    matrix = np.array(DEFICIENCIES[deficiency])
    seen = [_lab(matrix @ _linear(colour)) for colour in COLOURS[:4]]
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(a - b) > 12


def test_neighbours_differ_clearly_for_all_eyes() -> None:
    for matrix in [np.eye(3), *map(np.array, DEFICIENCIES.values())]:
        for a, b in itertools.pairwise(COLOURS):
            assert np.linalg.norm(_lab(matrix @ _linear(a)) - _lab(matrix @ _linear(b))) > 12, (a, b)


@pytest.mark.parametrize("page", ["#ffffff", "#15171b"])
def test_every_colour_is_seen_on_both_pages(page: str) -> None:
    for colour in COLOURS:
        assert _contrast(colour, page) > 2, colour
    assert _contrast(INK, "#ffffff") > 7


def test_looks_differ_for_360_labels_and_stay_with_their_position() -> None:
    labels = [f"m{i}" for i in range(360)]
    found = looks(labels)
    assert len(set(found.values())) == 360
    assert looks(labels[:5]) == {label: found[label] for label in labels[:5]}
    assert list(looks(["a", "b", "a"])) == ["a", "b"]


def test_neighbours_differ_without_colour() -> None:
    found = list(looks(str(i) for i in range(40)).values())
    for a, b in itertools.pairwise(found):
        assert a.marker != b.marker
        assert a.dash != b.dash
