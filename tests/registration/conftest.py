"""A real tiny BERT with a real LoRA adapter in a model folder, the records around it, and a real MLflow store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rootstock.backbone import content_hash
from rootstock.classifier import Classifier
from rootstock.files import sha256_of
from rootstock.params import (
    BackboneParams,
    DataParams,
    EvaluationParams,
    FineTuningParams,
    GatesParams,
    Params,
    RegistrationParams,
    SimilarityParams,
)
from rootstock.records import (
    Artifact,
    Candidate,
    Curve,
    Dataset,
    DatasetRevision,
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    Measure,
    MethodScore,
    PreparedData,
    Registration,
    RowsFile,
    Scored,
    Selection,
    SourceRanking,
    TrainedModel,
    Verdict,
)

WORDS = ["red", "blue", "green", "apple", "sky", "leaf", "fast", "slow", "car", "boat"]
LABELS = ("boats", "cars", "fruit")
REGISTRATION = RegistrationParams(model="tiny-model", experiment="tiny-experiment", approval="automatic", lease_seconds=20)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone of one layer with 16 hidden units and random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def save_model(folder: Path, base: Path, *, seed: int, **card: Any) -> Path:
    """A model folder with two adapters that change the answers, and a head."""
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import save_file
    from transformers import AutoModel, AutoTokenizer

    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    encoder = AutoModel.from_pretrained(base)
    adapters = ["adapters/0-source", "adapters/1-target"]
    for name in adapters:
        wrapped = get_peft_model(encoder, LoraConfig(r=2, lora_alpha=8, target_modules=["query", "value"]))
        for key, weight in wrapped.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weight, std=0.5)
        wrapped.save_pretrained(str(folder / name))
        encoder = wrapped.merge_and_unload()
    tokens = AutoTokenizer.from_pretrained(base)([f"{one} {other}" for one in WORDS for other in WORDS], return_tensors="pt")
    with torch.no_grad():
        features = encoder(**tokens).last_hidden_state.mean(dim=1)
    if card.get("normalise"):
        features = features / features.norm(dim=1, keepdim=True)
    weight = torch.randn(len(LABELS), 16) / features.std()
    bias = -weight @ features.mean(dim=0)  # so that every class is answered now and then
    save_file({"weight": weight, "bias": bias}, folder / "head.safetensors")
    for path in (*base.glob("tokenizer*"), base / "vocab.txt"):
        shutil.copy(path, folder)
    (folder / "labels.json").write_text(json.dumps(dict(enumerate(LABELS))), encoding="utf-8")
    content = {
        "format": 1, "labels": LABELS, "modality": {"name": "text", "max_tokens": 16}, "pooling": "mean", "normalise": False,
        "base": {"name": str(base), "sha256": content_hash(base), "included": False}, "adapters": adapters,
    }  # fmt: skip
    (folder / "rootstock.json").write_text(json.dumps(content | card), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def saved_models(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two different models on one base."""
    folder = tmp_path_factory.mktemp("models")
    return save_model(folder / "one", base_folder, seed=1), save_model(folder / "two", base_folder, seed=2, normalise=True)


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: its migrations take seconds, a copy takes none."""
    from rootstock.registration.mlflow_registry import tracking

    folder = tmp_path_factory.mktemp("store")
    tracking(str(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, entered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def workspace(project: Path, migrated_store: Path) -> str:
    """A workspace with an empty registry."""
    (project / ".rootstock").mkdir()
    shutil.copy(migrated_store, project / ".rootstock" / "mlflow.db")
    return ".rootstock"


@pytest.fixture(scope="session")
def registration() -> RegistrationParams:
    """The section of the params."""
    return REGISTRATION


@pytest.fixture(scope="session")
def sections() -> dict[str, Any]:
    """What the stage takes from params.yaml."""
    return {
        "task": "tiny-task",
        "seed": 0,
        "data": DataParams.model_construct(registry="data-registry", sources=("films", "tweets")),
        "backbone": BackboneParams(name="tiny", alternatives=(), pooling="mean", batch_rows=8),
        "similarity": SimilarityParams.model_construct(folds=4),
        "finetuning": FineTuningParams.model_construct(folds=3),
        "evaluation": EvaluationParams.model_construct(confidence=0.95),
        "gates": GatesParams.model_construct(alpha=0.05, looks=52, panel=()),
        "registration": REGISTRATION,
    }


def measure(value: float) -> Measure:
    return Measure(value=value, low=value - 0.1, high=value + 0.1, n=20, unit="share", higher_is_better=True)


def revision(name: str) -> DatasetRevision:
    return DatasetRevision(dataset=name, revision=f"{name}/v3", git_sha="a" * 40, md5=f"{len(name):032d}")


def gate_verdict(verdict: Verdict) -> GateVerdict:
    return GateVerdict(verdict=verdict, results=(), reason=f"the gates said {verdict}", looks=None)


@pytest.fixture
def prepared(project: Path) -> PreparedData:
    """Twenty test rows of the target, and two sources."""
    import pandas as pd

    texts = [f"{WORDS[i % 10]} {WORDS[i * 3 % 10]} {' '.join(WORDS[: i % 5])}".strip() for i in range(20)]
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(20)], "input": texts, "label": [LABELS[i % 3] for i in range(20)]})
    frame.to_parquet("test.parquet")
    file = RowsFile(path="test.parquet", sha256=sha256_of(Path("test.parquet")), rows=20)

    def dataset(name: str, split: str) -> Dataset:
        counts = {split: dict.fromkeys(LABELS, 7)}
        return Dataset(
            name=name, modality="text", revision=revision(name), splits={"train": file, split: file}, labels=LABELS,
            class_counts=counts, contamination=None,
        )  # fmt: skip

    return PreparedData(
        target=dataset("tiny", "test"), sources=(dataset("films", "train"), dataset("tweets", "train")), unusable_sources={}
    )


@pytest.fixture
def ranking() -> SourceRanking:
    candidate = Candidate(
        name="films on tiny", source="films", backbone="tiny", kind="domain", scores={"logme": 1.5, "leep": None},
        evidence={"logme": 0.1 + 0.2, "leep": None}, predicted_gain=measure(0.25), risk=0.03, prior=None, matched_labels={},
        rows=20, notes=(), excluded=None,
    )  # fmt: skip
    alone = candidate.model_copy(
        update={"name": "backbone alone", "source": "backbone alone", "kind": "backbone", "predicted_gain": None, "risk": None}
    )
    return SourceRanking(
        candidates=(candidate, alone), chosen="films", chosen_name="films on tiny", chosen_kind="domain", backbone="tiny",
        reason="the best", rows=20, past_outcomes=40, own_outcomes=0, projection={}, seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def selection() -> Selection:
    return Selection(
        chosen="films", chosen_name="films on tiny", chosen_kind="domain", backbone="tiny", matched_labels={}, rounds=(),
        reason="the best", rows_trained=0, seconds=0.0,
    )  # fmt: skip


@pytest.fixture
def trained_model(saved_models: tuple[Path, Path], project: Path) -> Callable[[int], TrainedModel]:
    """The record of the first or second model, lying in the project."""

    def make(which: int) -> TrainedModel:
        folder = Path(f"trained-{which}")
        if not folder.exists():
            shutil.copytree(saved_models[which], folder)
        score = MethodScore(method="lora", source="films", accuracy=measure(0.7), log_loss=measure(0.5), epochs=2)
        curve = Curve(name="loss: training", unit="nats", x=(0.5, 1.0, 1.5), y=(1.0, 0.5, 0.25))
        return TrainedModel(
            model=Artifact.of(folder), source="films", method="lora", cross_validation=(score,), reason="lowest loss",
            trainable_parameters=10, total_parameters=100, curves=(curve,), seconds=1.0, settings={}, notes=(), peak_mib=1.0,
        )  # fmt: skip

    return make


@pytest.fixture
def evaluated(prepared: PreparedData, project: Path) -> Callable[[TrainedModel], EvalReport]:
    """The report of a model whose predictions are really its own."""
    import pandas as pd

    def make(trained: TrainedModel) -> EvalReport:
        rows = pd.read_parquet("test.parquet")
        probabilities = Classifier.load(Path(trained.model.path)).predict(list(rows["input"])).probabilities
        rows["predicted:model"] = [LABELS[i] for i in probabilities.argmax(axis=1)]
        rows["probability:model"] = probabilities.max(axis=1)
        path = Path(f"predictions-{trained.model.sha256[:8]}.parquet")
        rows.drop(columns="input").to_parquet(path)
        rungs = (("majority", 0.3), ("no_transfer", 0.55))
        baselines = tuple(Scored(name=name, measures={"accuracy": measure(value)}, note="") for name, value in rungs)
        return EvalReport(
            dataset="tiny", revision="tiny/v3", labels=LABELS, source="films", measures={"accuracy": measure(0.8)}, per_class={},
            baselines=baselines, champion=None, confusion=((1,),), champion_labels=(), predictions=Artifact.of(path), seconds=1.0,
        )  # fmt: skip

    return make


@pytest.fixture
def run_stage(
    trained_model: Callable[[int], TrainedModel], evaluated: Callable[[TrainedModel], EvalReport], prepared: PreparedData,
    ranking: SourceRanking, selection: Selection, sections: dict[str, Any], workspace: str, project: Path,
) -> Callable[..., Registration]:  # fmt: skip
    """Register the first or second model as a run would."""
    from rootstock.registration.register import register

    def run(
        which: int, *, run_key: str, verdict: Verdict = "pass", champion: str | None = None, advice: SourceRanking = ranking,
        **changed: Any,
    ) -> Registration:  # fmt: skip
        trained = trained_model(which)
        folder = project.joinpath("stages", run_key).relative_to(project)
        folder.mkdir(parents=True, exist_ok=True)
        incumbent = Incumbent(version=champion, model=None, run_key=None, earlier=())
        return register(
            trained, evaluated(trained), gate_verdict(verdict), incumbent, advice, selection, prepared, History(outcomes=()),
            params=Params.model_construct(**{**sections, **changed}, workspace=workspace), trigger="by hand", run_key=run_key,
            folder=folder,
        )  # fmt: skip

    return run


@pytest.fixture
def add_version(workspace: str) -> Callable[..., str]:
    """Registers a version without a model, which is enough to move aliases; its gates said ``verdict``."""
    from rootstock.registration import mlflow_registry

    def add(verdict: str | None = "pass", **tags: str) -> str:
        client = mlflow_registry.tracking(workspace)
        if mlflow_registry.find_model(client, REGISTRATION.model) is None:
            client.create_registered_model(REGISTRATION.model)
        given = {"rootstock.verdict": verdict, **tags} if verdict is not None else tags
        return str(client.create_model_version(REGISTRATION.model, "somewhere/else", tags=given).version)

    return add


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every version loads."""
    from rootstock.registration import load_check

    monkeypatch.setattr(load_check, "check_loads", lambda *args, **kwargs: None)
