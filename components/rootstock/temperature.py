"""Temperature scaling: one number by which a classifier's scores are divided, so that its probabilities mean what they say.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2. The order of the
classes stays what it was: no label changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Temperatures lie between 1 / LARGEST and LARGEST.
LARGEST = 10.0
#: Standard deviation of the logarithm of a temperature before any row is seen, around 0. A few rows that are all right would drive
#: the likelihood's own temperature to 0, and with it every stated probability to 1; against a hundred rows it hardly counts.
PRIOR_SPREAD = 0.5
#: Least probability whose logarithm is taken.
LEAST = 1e-12


def tempered(log_probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(n, c) log-probabilities at a temperature: those given, where it is 1; nearer to uniform above, nearer to certain below."""
    from scipy.special import log_softmax

    if temperature == 1.0:
        return log_probabilities
    return log_softmax(log_probabilities / temperature, axis=1)  # type: ignore[no-any-return]


def at_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(n, c) probabilities that had none, at a temperature."""
    import numpy as np

    return probabilities if temperature == 1.0 else np.exp(tempered(np.log(np.maximum(probabilities, LEAST)), temperature))


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The most probable temperature given (n, c) probabilities of rows that the model did not learn from, and their labels (n,).

    Maximises the likelihood times a log-normal prior around 1. It is 1 for no rows, and for probabilities that are not finite: of a
    method that has diverged, which is refused where it is asked about the test rows.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    if not len(labels) or not np.isfinite(probabilities).all():
        return 1.0
    known = np.log(np.maximum(probabilities, LEAST))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        said = tempered(known, math.exp(log_temperature))[rows, labels]
        return float(-said.sum() + (log_temperature / PRIOR_SPREAD) ** 2 / 2)

    limit = math.log(LARGEST)
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-6})
    # Six digits: the last bits of an optimiser are no part of what was learned.
    return float(f"{math.exp(float(found.x)):.6g}")
