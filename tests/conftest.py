"""Settings for every test, made before anything heavy is imported, and a tiny real backbone for those that need one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)

if TYPE_CHECKING:
    from rootstock.params import Params
    from rootstock.records import Dataset, PreparedData

PARAMS_FILE = Path(__file__).parents[1] / "params.yaml"
TOPICS = {
    "boats": ["keel", "mast", "hull", "sail", "anchor"],
    "bread": ["flour", "yeast", "dough", "crust", "oven"],
    "stars": ["orbit", "comet", "nova", "dwarf", "moon"],
}
FILLER = ["the", "a", "of", "is", "near", "old"]


@pytest.fixture(scope="session")
def params_mapping() -> Callable[[], dict[str, Any]]:
    """Gives a fresh copy of the repository's params.yaml, to be changed."""
    text = PARAMS_FILE.read_text(encoding="utf-8")
    return lambda: yaml.safe_load(text)


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real BERT of two layers with 16 hidden units and a WordPiece tokenizer.

    Its weights are random, but the words of a topic lie near each other: it knows something worth learning from.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-backbone")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLER, *(word for topic in TOPICS.values() for word in topic)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, initializer_range=0.3,
    )  # fmt: skip
    model = BertModel(config)
    with torch.no_grad():
        for topic in TOPICS.values():
            model.embeddings.word_embeddings.weight[[words.index(word) for word in topic]] += torch.randn(16)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def topic_texts() -> Callable[..., tuple[list[str], list[str]]]:
    """Gives texts and labels: each text has two words of its own topic between words that say nothing."""
    import numpy as np

    def make(rows_per_class: int, *, seed: int, topics: tuple[str, ...] = tuple(TOPICS)) -> tuple[list[str], list[str]]:
        random = np.random.default_rng(seed)
        rows = [
            (" ".join([*random.choice(FILLER, 1 + n % 4), *random.choice(TOPICS[topic], 2), *random.choice(FILLER, 2)]), topic)
            for n in range(rows_per_class)
            for topic in topics
        ]
        return [text for text, _ in rows], [label for _, label in rows]

    return make


@pytest.fixture(scope="session")
def tiny_params(params_mapping: Callable[[], dict[str, Any]], tiny_backbone: Path) -> Params:
    """params.yaml for the tiny backbone: the same parts with small numbers."""
    from rootstock.params import parse_params

    raw = params_mapping()
    raw["backbone"] |= {"name": tiny_backbone.as_posix(), "batch_rows": 16}
    raw["data"]["modality"]["max_tokens"] = 16
    small = {"rank": 2, "alpha": 4, "epochs": 2, "last_layers": 1, "learning_rate": 0.01, "head_learning_rate": 0.05}
    raw["finetuning"]["source"] |= small | {"last_layers": None}
    raw["finetuning"]["methods"][1] |= small
    raw["finetuning"]["folds"] = 2
    raw["similarity"] |= {"folds": 2, "repeats": 1}
    few = {"folds": 2, "repeats": 1, "permutations": 20}
    raw["similarity"]["metrics"] = [
        metric | {key: few[key] for key in few if key in metric} for metric in raw["similarity"]["metrics"]
    ]
    raw["similarity"]["halving"]["method"] |= small
    raw["similarity"]["halving"]["source_rows"] = 15
    raw["evaluation"]["scratch"]["epochs"] = 1
    return parse_params(raw, "params.yaml")


@pytest.fixture
def tiny_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_tiny_data: Callable[[], PreparedData]) -> PreparedData:
    """A target of three topics, a source of the same, and one of other labels, in a project folder that is entered."""
    monkeypatch.chdir(tmp_path)
    return write_tiny_data()


@pytest.fixture(scope="session")
def write_tiny_data(topic_texts: Callable[..., tuple[list[str], list[str]]]) -> Callable[[], PreparedData]:
    """Writes that data into the working directory."""
    import pandas as pd
    from rootstock.files import sha256_of
    from rootstock.records import Dataset, DatasetRevision, PreparedData, RowsFile

    def dataset(name: str, splits: dict[str, tuple[list[str], list[str]]]) -> Dataset:
        files = {}
        for split, (texts, labels) in splits.items():
            path = Path(f"{name}-{split}.parquet")
            ids = [f"{name}-{split}-{n}" for n in range(len(texts))]
            pd.DataFrame({"id": ids, "input": texts, "label": labels}).to_parquet(path, index=False)
            files[split] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(texts))
        return Dataset(
            name=name,
            modality="text",
            revision=DatasetRevision(dataset=name, revision=f"{name}/v1", git_sha="a" * 40, md5="b" * 32),
            splits=files,
            labels=tuple(sorted(set(splits["train"][1]))),
            class_counts={split: {label: labels.count(label) for label in set(labels)} for split, (_, labels) in splits.items()},
            contamination=None,
        )

    def write() -> PreparedData:
        texts, labels = topic_texts(20, seed=3)
        shuffled = [f"unrelated {label}" for label in labels[1:] + labels[:1]]
        return PreparedData(
            target=dataset("target", {"train": topic_texts(6, seed=1), "test": topic_texts(8, seed=2)}),
            sources=(dataset("related", {"train": (texts, labels)}), dataset("unrelated", {"train": (texts, shuffled)})),
            unusable_sources={},
        )

    return write
