"""The rungs that stand on no backbone."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.data.text import Text
from rootstock.finetuning import rungs
from rootstock.finetuning.rungs import surface_answers
from sklearn.linear_model import LogisticRegression


def test_the_words_of_the_most_texts_alone_are_learned_from_when_all_would_not_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted, fit = [], LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, rows, labels: fitted.append(rows.shape) or fit(self, rows, labels))
    texts = [f"{word} seen{number}" for number, word in enumerate(["keel", "rye"] * 20)]
    labels = np.array([0, 1] * 20)

    def answers() -> list[int]:
        return surface_answers(Text(max_tokens=8), texts, labels, ["keel", "rye"], classes=2).argmax(axis=1).tolist()

    assert answers() == [0, 1]
    monkeypatch.setattr(rungs, "MOST_WEIGHTS", 2 * 4)
    assert answers() == [0, 1]
    assert fitted == [(40, 82), (40, 4)]
