"""The one plug-in idea: a Part is a file with a class that has frozen parameters and one method, found by its name.

A family is an abstract Part that says which package its members live in. To add a member, add a file to that package with a
class that names itself; nothing else has to be edited. ``params.yaml`` selects it by that name::

    class Example(SimilarityMetric):
        name: Literal["example"] = "example"
        neighbours: int

        def measure(self, pair: Pair) -> float | None: ...
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from rootstock.errors import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.backbone import Encoder
    from rootstock.head import AnyHead, Head
    from rootstock.records import CheckResult, Dataset, Detectable, DriftResult, EvalReport, GateResult


class Part(BaseModel):
    """A named piece of behaviour with frozen parameters; every parameter has its value in ``params.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str

    family: ClassVar[str]
    package: ClassVar[str]


AnyPart = TypeVar("AnyPart", bound=Part)


@cache
def members(family: type[AnyPart]) -> dict[str, type[AnyPart]]:
    """Every Part of a family by name, found by importing each module of the family's package.

    Raises TypeError if two classes claim one name.
    """
    package = importlib.import_module(family.package)
    found: dict[str, type[AnyPart]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{family.package}.{info.name}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and issubclass(member, family) and not inspect.isabstract(member):
                name = str(member.model_fields["name"].default)
                if name in found:
                    raise TypeError(f"{member.__module__} and {found[name].__module__} both name a {family.family} '{name}'")
                found[name] = member
    return dict(sorted(found.items()))


def parse_part(family: type[AnyPart], value: object) -> AnyPart:
    """A Part from its mapping in ``params.yaml`` (``{name: ..., parameter: ...}``).

    Raises ValueError naming the known members for a name that is none, and pydantic's error for a wrong parameter.
    """
    if isinstance(value, family):
        return value
    if not isinstance(value, dict) or "name" not in value:
        raise ValueError(f"expected a {family.family} as a mapping with the key 'name', found {value!r}")
    known = members(family)
    if value["name"] not in known:
        raise ValueError(unknown_name(family.family, value["name"], known))
    part: AnyPart = known[value["name"]].model_validate(value)
    return part


def families() -> tuple[type[Part], ...]:
    """Every family, in the order of the pipeline."""
    return (Modality, Check, SimilarityMetric, Augmentation, FineTuneMethod, Perturbation, Gate, DriftTest)


class Modality(Part, ABC):
    """What one row's input is (a text, an image) and how it becomes tensors for a backbone."""

    family: ClassVar[str] = "modality"
    package: ClassVar[str] = "rootstock.data"

    @abstractmethod
    def load_processor(self, folder: Path) -> Any:
        """The tokenizer or image processor saved in a backbone's or model's folder."""

    @abstractmethod
    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """A batch of n inputs as keyword tensors for the backbone's ``forward``."""

    @abstractmethod
    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """A cost for each of n inputs, (n,), by which batches are sorted so that little padding is computed."""

    @abstractmethod
    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Classical features, (n, f), fitted on ``fit_on``: what the classical baseline sees."""

    @abstractmethod
    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Readable numeric descriptors of n inputs (length, share of digits, brightness), (n, k): what drift is told in."""

    def probes(self) -> tuple[Any, ...]:
        """A few inputs that come from no data set: a model is known again by its answers to them. None for a modality without."""
        return ()


class Check(Part, ABC):
    """One question to ask of a dataset before anything is learned from it."""

    family: ClassVar[str] = "check"
    package: ClassVar[str] = "rootstock.validation"

    @abstractmethod
    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        """Judge the rows of all splits at once; columns ``id``, ``input``, ``label``, ``split``."""


@dataclass(frozen=True)
class Labelled:
    """Labelled rows with their frozen-backbone features."""

    inputs: Sequence[Any]
    """n raw inputs"""
    features: NDArray[np.float64]
    """(n, d) of the backbone's last layer, pooled"""
    layer_mean: NDArray[np.float64]
    """(n, d) mean over all layers, pooled"""
    labels: NDArray[np.int64]
    """(n,) indices into ``classes``"""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Unlabelled:
    """Rows of the target whose labels nobody knows or nobody may look at; none of them is tested on."""

    inputs: Sequence[Any]
    """n raw inputs"""
    features: NDArray[np.float64]
    """(n, d) of the backbone's last layer, pooled"""


@dataclass(frozen=True)
class Pair:
    """A target and one candidate to learn from, as every similarity metric sees them."""

    target: Labelled
    source: Labelled | None
    """None when the candidate has no rows to show: the backbone alone, the champion."""
    log_probabilities: NDArray[np.float64] | None
    """(n_target, c_head) of the target's rows under the candidate's own head, which never saw them; None without one."""
    head_classes: tuple[str, ...]
    """the c_head classes of that head; one that means a class of the target bears the target's name"""
    representation: NDArray[np.float64]
    """(n_target, d') what the candidate offers a linear head: its features, and its head's outputs beside them."""
    modality: Modality
    seed: int
    """of every random choice a metric makes"""
    unlabelled: Unlabelled | None
    """more rows of the target, for metrics that read no labels: there are usually many of these"""

    @property
    def domain_inputs(self) -> Sequence[Any]:
        """Inputs of the target, labelled or not."""
        return [*self.target.inputs, *(self.unlabelled.inputs if self.unlabelled else ())]

    @property
    def domain_features(self) -> NDArray[np.float64]:
        """(n, d) features of those."""
        import numpy as np

        return np.vstack([self.target.features, self.unlabelled.features]) if self.unlabelled else self.target.features


#: Unit of metrics that are log-likelihoods: the advisor divides them by log c, so that they compare between tasks.
NATS = "nats a row"
ACCURACY = "accuracy"


class SimilarityMetric(Part, ABC):
    """A number that says how much a candidate has to teach the target; higher is better."""

    family: ClassVar[str] = "similarity metric"
    package: ClassVar[str] = "rootstock.similarity"

    unit: ClassVar[str] = "score"
    """what the number counts, for people; ``NATS`` for log-likelihoods"""

    @abstractmethod
    def measure(self, pair: Pair) -> float | None:
        """The score, higher is better; None where it is not defined for this pair."""


#: Unit of the setting of a method that is trained by epochs: its held-out losses make a learning curve.
EPOCHS = "epochs"


@dataclass(frozen=True)
class Rows:
    """Labelled rows, with their features under the encoder that fitting starts from."""

    inputs: Sequence[Any]
    labels: NDArray[np.int64]
    """(n,) indices of classes"""
    features: NDArray[np.float64]
    """(n, d)"""


@dataclass(frozen=True)
class Keep:
    """Where unfinished training is kept, and how often."""

    folder: Path
    seconds: float
    """between two checkpoints"""


@dataclass(frozen=True)
class Start:
    """What fitting starts from."""

    load: Callable[[], Encoder]
    """gives a fresh copy that may be changed"""
    classes: int
    prior: Head | None
    """a linear head over these classes that was learned before, on the same features; None where there is none"""
    keep: Keep | None = None
    """None: what is stopped is lost"""
    bfloat16: bool = False
    """whether frozen weights may be held in bfloat16 while others are trained"""
    states: dict[int, dict[Any, Any]] = field(default_factory=dict, compare=False, repr=False)
    """layers below -> input -> its hidden states (tokens, d), shared by all that fit from here: folds read the same rows"""


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier, in memory."""

    head: AnyHead
    encoder: Encoder | None
    """the changed encoder; None when it was left as it was"""
    heldout: dict[float, NDArray[np.float64]]
    """setting -> (n_heldout, c) probabilities"""
    losses: tuple[float, ...]
    """mean training loss an epoch, nats a row"""
    trainable_parameters: int
    notes: tuple[str, ...] = ()
    """what went otherwise than asked for, for people"""


class Augmentation(Part, ABC):
    """A change to a training row after which its label is still true."""

    family: ClassVar[str] = "augmentation"
    package: ClassVar[str] = "rootstock.finetuning.augmentation"

    reads: ClassVar[str]
    """name of the modality whose inputs it changes"""

    @abstractmethod
    def augment(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        """n changed raw inputs in the same order; the same seed gives the same ones. ``inputs`` stay as they are."""


class Perturbation(Part, ABC):
    """A change to a test row that leaves a person's answer as it is, and should leave a model's."""

    family: ClassVar[str] = "perturbation"
    package: ClassVar[str] = "rootstock.evaluation.perturbation"

    reads: ClassVar[str]
    """name of the modality whose inputs it changes"""

    @abstractmethod
    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        """n changed raw inputs in the same order; the same seed gives the same ones. ``inputs`` stay as they are."""


class FineTuneMethod(Part, ABC):
    """A way to fit a classifier on labelled rows, starting from a backbone."""

    family: ClassVar[str] = "fine-tuning method"
    package: ClassVar[str] = "rootstock.finetuning"

    setting_unit: ClassVar[str]
    """What cross-validation chooses for this method: ``epochs``, or the unit of its own setting."""

    @abstractmethod
    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Fit on ``rows``. ``heldout`` rows (never the test's) are only predicted, once a setting (epochs, a penalty), so that
        cross-validation can choose one; with ``setting`` given, that one is fitted and nothing is chosen."""


@dataclass(frozen=True)
class Sample:
    """A test set before any model is tried on it, and what two models on it are expected to be like."""

    rows: int
    class_rows: dict[str, int]
    """label -> rows"""
    slice_rows: dict[str, dict[str, int]]
    """kept column -> value -> rows"""
    accuracy: float
    """expected of both"""
    discordance: float
    """share of rows on which exactly one of them is expected to be right"""


class Gate(Part, ABC):
    """One condition for promotion, decided from the evaluation alone."""

    family: ClassVar[str] = "gate"
    package: ClassVar[str] = "rootstock.evaluation"

    @abstractmethod
    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        """Judge.

        ``rows`` holds the n test rows: ``id``, ``label``, ``predicted:NAME`` and ``probability:NAME`` (of the predicted label) for
        ``model``, baselines and ``champion`` (null where it was not asked); ``probabilities:NAME``, lists in the order of
        ``report.labels`` for ``model`` and of ``report.champion_labels`` for ``champion``; ``predicted:model~NAME`` for each of
        ``evaluation.perturbations``; ``probabilities:reloaded`` where ``report.reloading`` says that the shipped model answered;
        ``slice:COLUMN`` for each column of the data that ``data.columns.keep`` names, and ``slice:length`` of texts.

        ``level`` is this look's share of the panel's error rate (see ``Looks``): the chance at which a gate may let a candidate
        pass that is no better than the champion. Zero means that the year's share is spent, and nothing can be shown.
        """

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """What this gate can tell with a test set like ``sample``; empty for a gate whose answer does not hang on the rows.

        ``wanted`` is the difference that one asks about; None for the gate's own margin, where it has one.
        """
        return ()

    def kept_columns(self) -> tuple[str, ...]:
        """Columns of the data that it needs; params that do not keep them are refused."""
        return ()

    def perturbations(self) -> tuple[str, ...] | None:
        """Names of the perturbations that it judges, which must be those that the params ask for; None where it judges none."""
        return None


@dataclass(frozen=True)
class Window:
    """Rows seen in one period, as every drift test sees them."""

    descriptors: pd.DataFrame
    """(n, k) numeric, from the modality"""
    embeddings: NDArray[np.float64]
    """(n, d) of the champion's backbone"""
    probabilities: NDArray[np.float64]
    """(n, c) of the champion"""


class DriftTest(Part, ABC):
    """A two-sample test between the champion's reference rows and a window of what it was asked since."""

    family: ClassVar[str] = "drift test"
    package: ClassVar[str] = "rootstock.monitoring"

    @abstractmethod
    def compare(self, reference: Window, current: Window, *, seed: int) -> tuple[DriftResult, ...]:
        """One result a column or view compared, each with a p-value and an effect size."""


if TYPE_CHECKING:
    ModalityPart = Modality
    CheckPart = Check
    SimilarityMetricPart = SimilarityMetric
    AugmentationPart = Augmentation
    PerturbationPart = Perturbation
    FineTuneMethodPart = FineTuneMethod
    GatePart = Gate
    DriftTestPart = DriftTest
else:

    def _field(family):
        return Annotated[SerializeAsAny[family], BeforeValidator(lambda value: parse_part(family, value))]

    ModalityPart = _field(Modality)
    CheckPart = _field(Check)
    SimilarityMetricPart = _field(SimilarityMetric)
    AugmentationPart = _field(Augmentation)
    PerturbationPart = _field(Perturbation)
    FineTuneMethodPart = _field(FineTuneMethod)
    GatePart = _field(Gate)
    DriftTestPart = _field(DriftTest)
