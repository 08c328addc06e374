"""What a candidate offers a linear head."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.representation import representation_of


@pytest.fixture
def parts():
    random = np.random.default_rng(0)
    return 9 * random.normal(size=(20, 6)), np.log(random.dirichlet(np.ones(4), size=20))


def test_features_stand_first_at_unit_length_and_the_head_beside_them_at_mean_length_one(parts):
    found = representation_of(*parts)
    assert found.shape == (20, 10)
    np.testing.assert_allclose(np.linalg.norm(found[:, :6], axis=1), 1)
    assert (found[:, 6:] ** 2).sum(axis=1).mean() == pytest.approx(1)
    np.testing.assert_allclose(found[:, 6:].mean(axis=0), 0, atol=1e-12)


def test_without_a_head_they_are_the_features_alone(parts):
    np.testing.assert_array_equal(representation_of(parts[0], None), representation_of(*parts)[:, :6])


def test_a_head_that_always_says_the_same_adds_nothing(parts):
    found = representation_of(parts[0], np.log(np.full((20, 3), 1 / 3)))
    np.testing.assert_array_equal(found[:, 6:], 0)


def test_inputs_are_left_as_they_were(parts):
    before = [array.copy() for array in parts]
    representation_of(*parts)
    for array, kept in zip(parts, before, strict=True):
        np.testing.assert_array_equal(array, kept)
