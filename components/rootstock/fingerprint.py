"""A model's answers to known inputs: sealed when it is saved, asked again whenever it is to be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier, is_sealed, read_card, sealed_facts
from rootstock.errors import Refusal
from rootstock.seal import check_seal, write_seal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Largest difference of a probability that float rounding explains, on this machine or another one.
ROUNDING = 1e-3


def seal_model(folder: Path) -> None:
    """Load what was just written and seal it together with its answers to the modality's probes."""
    classifier = Classifier.read(folder)
    probes = classifier.modality.probes()
    answers = classifier.predict(probes).probabilities.tolist() if probes else []
    write_seal(folder, sealed_facts(read_card(folder)), probes=probes, answers=answers)


def check_answers(folder: Path) -> Classifier:
    """Load a model folder, compare its answers with those that were sealed, and give the classifier.

    A folder of the first format has no seal, and is only loaded. Raises DataError for a file that is not what was sealed,
    BackboneError for another base, Refusal for other answers.
    """
    import numpy as np

    card = read_card(folder)
    if not is_sealed(folder, card):
        return Classifier.load(folder)
    seal = check_seal(folder, sealed_facts(card))
    classifier = Classifier.read(folder)
    if seal.probes:
        expected: NDArray[np.float64] = np.array(seal.answers)
        difference = np.abs(classifier.predict(seal.inputs).probabilities - expected).max(axis=1)
        worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
        if not difference[worst] <= ROUNDING:
            raise Refusal(
                f"{folder}: expected the answers that were sealed with the model, found a probability that differs by "
                f"{difference[worst]:.3g} for probe {worst + 1}; the files are whole, so a library that reads them is another one"
            )
    return classifier
