"""A head of boosted trees: it finds what no plane through the features separates, and it is saved as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rootstock.errors import DataError, InputError
from rootstock.files import read_utf8, write_text
from rootstock.head import AnyHead, scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Boosting:
    """How trees are grown; the terms are LightGBM's."""

    learning_rate: float
    leaves: int
    """of a tree"""
    rows_a_leaf: int
    """at least"""
    feature_share: float
    """of the features, drawn anew for each tree"""
    l2: float
    """penalty on the values of leaves"""


@dataclass(frozen=True)
class BoostedHead(AnyHead):
    """Gradient-boosted trees, a tree a class and round (Ke et al. 2017, "LightGBM", NeurIPS; Friedman 2001).

    Trees answer in steps: where a feature lies on a threshold to the last bits, rounding moves a probability by a whole step.
    """

    text: str
    """the model as LightGBM writes it"""
    is_linear: ClassVar[bool] = False
    file: ClassVar[str] = "head.lightgbm.txt"

    def log_probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, c) of features (n, d) of unit length. Raises DataError for another d than it was fitted on."""
        return _scores(self._booster, features, rounds=None)

    @property
    def classes(self) -> int:
        return int(self._booster.num_model_per_iteration())

    @property
    def numbers(self) -> int:
        """Thresholds and values of leaves: what was fitted."""
        lines = self.text.splitlines()
        return sum(2 * int(line.partition("=")[2]) - 1 for line in lines if line.startswith("num_leaves="))

    def write(self, folder: Path) -> None:
        write_text(folder / self.file, self.text)

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = folder / cls.file
        head = cls(read_utf8(path))
        try:
            head._booster  # noqa: B018 - LightGBM reads the text here
        except Exception as error:  # a LightGBMError, which may only be named once LightGBM is imported
            if isinstance(error, InputError):
                raise
            raise DataError(f"{path}: expected trees as LightGBM writes them, found {error}; register the model again") from error
        return head

    @cached_property
    def _booster(self) -> Any:
        return _lightgbm().Booster(model_str=self.text)


def grow(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, classes: int, rounds: int, boosting: Boosting, seed: int
) -> BoostedHead:
    """Trees fitted on features (n, d), scaled to unit length, and labels (n,): the same ones for the same rows and seed.

    A class without rows is never predicted. The first m rounds are those of a fit that ends after m.
    """
    lightgbm = _lightgbm()
    # Rows are few: a bin a value, and no feature is left out because a split of it would leave a small leaf.
    data = lightgbm.Dataset(
        scaled(features), labels, free_raw_data=True,
        params={"verbosity": -1, "min_data_in_bin": 1, "feature_pre_filter": False, "max_bin": 255},
    )  # fmt: skip
    settings = {
        "objective": "multiclass", "num_class": classes, "learning_rate": boosting.learning_rate, "num_leaves": boosting.leaves,
        "min_data_in_leaf": boosting.rows_a_leaf, "feature_fraction": boosting.feature_share, "lambda_l2": boosting.l2,
        "seed": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    return BoostedHead(lightgbm.train(settings, data, num_boost_round=rounds).model_to_string())


def log_probabilities_after(head: BoostedHead, features: NDArray[np.float64], *, rounds: int) -> NDArray[np.float64]:
    """(n, c) of features (n, d), scaled to unit length, by the first rounds alone."""
    return _scores(head._booster, scaled(features), rounds=rounds)


def _scores(booster: Any, features: NDArray[np.float64], *, rounds: int | None) -> NDArray[np.float64]:
    import numpy as np
    from scipy.special import log_softmax

    wanted = booster.num_feature()
    if features.shape[1] != wanted:
        raise DataError(
            f"expected features of width {wanted}, as the boosted head was fitted on, found {features.shape[1]}; "
            "the head belongs to another backbone"
        )
    if not len(features):
        return np.empty((0, booster.num_model_per_iteration()))
    return np.asarray(log_softmax(booster.predict(features, raw_score=True, num_iteration=rounds), axis=1))


def _lightgbm() -> Any:
    try:
        import lightgbm
    except OSError as error:  # its wheel takes OpenMP from the system
        raise InputError(f"expected LightGBM to load, found {error}; install libgomp1 with the system's package manager") from error
    return lightgbm
