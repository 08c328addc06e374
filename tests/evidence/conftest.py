"""A journal as months of runs leave it: two promotions, a refusal, a rollback, an override, an alarm, data that was refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rootstock.journal import Entry, append, read_journal
from rootstock.records import Looks

MODEL = "docs"
WORKSPACE = ".rootstock"


def accuracy(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 450, "unit": "share", "higher_is_better": True}


def scored(name: str, value: float, note: str = "") -> dict[str, Any]:
    return {"name": name, "measures": {"accuracy": accuracy(value)}, "note": note}


def revision(name: str, number: int) -> dict[str, Any]:
    return {"dataset": name, "revision": f"{name}/v{number}", "git_sha": "a1b2c3d" * 5, "md5": f"{number}" * 32}


def decision(run: str, verdict: str = "pass", version: str | None = None, champion: str | None = None) -> dict[str, Any]:
    """Facts as ``decision_facts`` gives them."""
    gates = [
        {
            "gate": "floor",
            "verdict": "pass",
            "observed": "0.812 (0.77 to 0.85)",
            "required": "accuracy at least 0.3",
            "reason": "so",
        },
        {"gate": "against_champion", "verdict": verdict, "observed": "+3.1 points", "required": "above 0", "reason": "p = 0.0004"},
    ]
    return {
        "run_key": run * 16, "task": "docs", "trigger": "drift: drift found by embedding_drift", "model": MODEL, "verdict": verdict,
        "reason": f"the gates said {verdict}", "version": version, "model_sha256": "d" * 64 if version else None,
        "incumbent": champion, "compared_with": champion, "approver": None,
        "data": {
            "registry": "data",
            "target": {**revision("torch-docs", 3), "licence": None, "splits": {"train": {"rows": 96}, "test": {"rows": 450}}},
            "sources": [revision("numpy-docs", 1), revision("scipy-docs", 2)],
        },
        "history": {"sha256": "e" * 64, "outcomes": 2},
        "ranking": {
            "sha256": "f" * 64, "chosen": "numpy-docs", "reason": "numpy-docs gains most", "learned_from": "numpy-docs",
            "learned_reason": "it led in both rounds", "backbone": "minilm", "predicted_gain": accuracy(0.052), "candidates": 5,
        },
        "training": {
            "sha256": "0" * 64, "source": "numpy-docs", "method": "lora", "reason": "lowest loss", "settings": {"rank": 8},
            "seconds": 88.4, "model": {"path": "model", "sha256": "c" * 64},
        },
        "evaluation": {
            "sha256": "1" * 64, "model": {"accuracy": accuracy(0.812)},
            "baselines": [scored("majority", 0.14), scored("linear_probe", 0.78)],
            "champion": scored("champion", 0.775, "version 1; 3 rows it learned from left out") if champion else None,
        },
        "predictions": {"path": "predictions.parquet", "sha256": "2" * 64}, "gates": gates,
        "looks": Looks(alpha=0.05, looks=52, spent=4, level=0.05 / 52, earlier=(1, 2, 3, 4)).model_dump(mode="json"),
        "level": 0.05 / 52, "mlflow_run_id": "9" * 32, "code": {"rootstock": "b" * 64},
        "environment": {"python": "3.11.7", "processor": "A Processor"}, "report": "runs/x/report.html",
        "params": {}, "params_sha256": "3" * 64,
    }  # fmt: skip


def aliases(champion: str | None, previous: str | None = None, challenger: str | None = None) -> dict[str, str | None]:
    return {"champion": champion, "previous": previous, "challenger": challenger}


def state(before: dict[str, Any], now: dict[str, Any], version: str, reason: str, **facts: Any) -> dict[str, Any]:
    """Facts of an entry that moves aliases."""
    return {"model": MODEL, "aliases": now, "before": before, "version": version, "reason": reason, **facts}


def write_months() -> None:
    """The journal, in the order in which it came to be."""
    none, one, two = aliases(None), aliases("1"), aliases("2", "1")
    refused = decision("dddd", "invalid data")
    for key in ("ranking", "training", "evaluation", "predictions", "gates", "looks", "level", "history"):
        del refused[key]
    alarm = {
        "model": MODEL, "version": "2", "window": "week-4", "rows": 120, "retrain": False, "reason": "no newer data",
        "drifted": [{"view": "characters"}, {"view": "characters"}, {"view": "embeddings"}],
    }  # fmt: skip
    entries = (
        ("decision", decision("aaaa", version="1")),
        ("promotion", state(none, one, "1", "the gates said pass", run_key="aaaa" * 16, placed_as="champion")),
        ("settled", {"model": MODEL, "entry": 2}),
        ("decision", decision("bbbb", version="2", champion="1")),
        ("promotion", state(one, two, "2", "the gates said pass", run_key="bbbb" * 16, placed_as="champion")),
        ("settled", {"model": MODEL, "entry": 5}),
        ("decision", decision("cccc", "fail", champion="2")),
        ("drift", alarm),
        ("decision", refused),
        ("rollback", state(two, one, "1", "complaints", rolled_back_from="2")),
        ("decision", decision("eeee", "inconclusive", version="3", champion="1")),
        ("challenger", state(one, aliases("1", None, "3"), "3", "the gates said inconclusive", run_key="eeee" * 16)),
        ("override", state(aliases("1", None, "3"), aliases("3", "1"), "3", "we need it", approver="Ada", verdict="inconclusive")),
        ("decision", {**decision("ffff", version="9"), "model": "another"}),
    )
    for kind, facts in entries:
        append(WORKSPACE, kind, facts, after=None)


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Commands make settings for the tools that they start; no other test is to see them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Entry, ...]]:
    """Reads the months' journal, which lies in a project folder that is entered."""
    monkeypatch.chdir(tmp_path)
    write_months()
    return lambda: read_journal(WORKSPACE)
