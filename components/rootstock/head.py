"""Heads on features of unit length: what all have in common, and the linear one, a logistic regression.

The linear head may be drawn towards one learned before; heads of other kinds answer, are saved and are read, and no more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from rootstock.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Bias of a class without rows: it is never predicted.
NEVER = -1e3


class AnyHead(ABC):
    """What a classifier asks of its head."""

    is_linear: ClassVar[bool]
    file: ClassVar[str]
    """that it is written to"""

    @abstractmethod
    def log_probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, c) of features (n, d), scaled as those it was fitted on."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """c."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """How many numbers were fitted."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write ``file`` in a folder that exists."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Self:
        """What ``write`` wrote. Raises DataError if it is damaged."""


@dataclass(frozen=True)
class Head(AnyHead):
    """A linear head."""

    weight: NDArray[np.float64]
    """(c, d)"""
    bias: NDArray[np.float64]
    """(c,)"""
    is_linear: ClassVar[bool] = True
    file: ClassVar[str] = "head.safetensors"

    def log_probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import log_softmax

        return log_softmax(features @ self.weight.T + self.bias, axis=1)  # type: ignore[no-any-return]

    @property
    def classes(self) -> int:
        return len(self.bias)

    @property
    def numbers(self) -> int:
        return self.weight.size + self.bias.size

    def write(self, folder: Path) -> None:
        """In single precision."""
        from safetensors.numpy import save_file

        save_file({"weight": self.weight.astype("float32"), "bias": self.bias.astype("float32")}, folder / self.file)

    @classmethod
    def read(cls, folder: Path) -> Self:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = folder / cls.file
        try:
            kept = load_file(path)
            weight, bias = kept["weight"].astype("float64"), kept["bias"].astype("float64")
        except (SafetensorError, KeyError) as error:
            raise DataError(f"{path}: expected a weight and a bias, found {error}; register the model again") from error
        if len(weight) != len(bias):
            raise DataError(f"{path}: expected as many weights as biases, found {len(weight)} and {len(bias)}; register it again")
        return cls(weight, bias)


def match_classes(head: AnyHead, learned: Sequence[str], wanted: Sequence[str]) -> Head | None:
    """A head over the ``wanted`` classes from one over the ``learned``, by name.

    None where fewer than two are shared, and where the head is not linear: another head can only be drawn towards planes. A class
    that was not learned gets the mean of those that were: it starts neither likely nor unlikely.
    """
    import numpy as np

    if not isinstance(head, Head):
        return None
    place = {name: index for index, name in enumerate(learned)}
    known = [place[name] for name in wanted if name in place]
    if len(known) < 2:
        return None
    weight = np.tile(head.weight[known].mean(axis=0), (len(wanted), 1))
    bias = np.full(len(wanted), head.bias[known].mean())
    for row, name in enumerate(wanted):
        if name in place:
            weight[row], bias[row] = head.weight[place[name]], head.bias[place[name]]
    return Head(weight, bias)


def scaled(embeddings: NDArray[np.float64], *, normalise: bool = True) -> NDArray[np.float64]:
    """Embeddings (n, d) as the head reads them: of unit length where the model was trained so."""
    import numpy as np

    if not normalise:
        return embeddings
    return np.asarray(embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12))


def logistic_head(
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    classes: int,
    inverse_penalty: float,
    prior: Head | None = None,
    row_weights: NDArray[np.float64] | None = None,
) -> Head:
    """A multinomial logistic regression on features (n, d) scaled to unit length, labels (n,).

    ``inverse_penalty`` is the inverse strength of the L2 penalty (scikit-learn's C). With a ``prior`` the penalty is on the
    distance from that head instead of from zero: the maximum a posteriori estimate under a Gaussian prior around it (Chelba and
    Acero 2006, "Adaptation of maximum entropy capitalizer: little data can help a lot"), which with few rows keeps what the
    source has taught. ``row_weights`` (n,) say how much each row counts; None counts all alike.
    """
    import numpy as np

    if prior is not None:
        weights = np.ones(len(labels)) if row_weights is None else row_weights
        return _towards(prior, scaled(features), labels, inverse_penalty=inverse_penalty, row_weights=weights)
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((classes, features.shape[1]))
    bias = np.full(classes, NEVER)
    present = np.unique(labels)
    if len(present) == 1:
        bias[present] = 0.0
        return Head(weight, bias)
    model = LogisticRegression(C=inverse_penalty, max_iter=2000).fit(scaled(features), labels, sample_weight=row_weights)
    if len(present) == 2:  # scikit-learn keeps one row of weights for two classes
        weight[present] = np.vstack([-model.coef_ / 2, model.coef_ / 2])
        bias[present] = np.r_[-model.intercept_, model.intercept_] / 2
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return Head(weight, bias)


def _towards(
    prior: Head,
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    inverse_penalty: float,
    row_weights: NDArray[np.float64],
) -> Head:
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    design = np.hstack([features, np.ones((len(features), 1))])
    centre = np.hstack([prior.weight, prior.bias[:, None]])
    wanted, weights = np.eye(len(centre))[labels], row_weights[:, None]
    said = design @ centre.T
    # The head moves only within the span of the rows: with n < d that leaves n numbers a class to find, not d.
    left, sizes, basis = np.linalg.svd(design, full_matrices=False)
    turned = left * sizes

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved = flat.reshape(len(centre), -1)
        log_p = log_softmax(said + turned @ moved.T, axis=1)
        loss = -float((weights * wanted * log_p).sum()) + float((moved**2).sum()) / (2 * inverse_penalty)
        return loss, ((weights * (np.exp(log_p) - wanted)).T @ turned + moved / inverse_penalty).ravel()

    start = np.zeros(len(centre) * turned.shape[1])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    fitted = centre + found.x.reshape(len(centre), -1) @ basis
    return Head(fitted[:, :-1], fitted[:, -1])


def log_probabilities(embeddings: NDArray[np.float64], head: AnyHead, *, normalise: bool = True) -> NDArray[np.float64]:
    """(n, c) log-probabilities of embeddings (n, d) under a head."""
    return head.log_probabilities(scaled(embeddings, normalise=normalise))
