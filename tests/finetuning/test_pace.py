"""How fast a backbone is: what it is asked to find out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from rootstock.finetuning import pace


@dataclass(frozen=True)
class Clock:
    """An encoder that takes a second a batch, and as long for the very first one."""

    batch_rows: int
    asked: list[tuple[int, int]] = field(default_factory=list)
    """(rows, rows of a batch) of each call"""

    def embed(self, inputs: Sequence[object], label: str) -> None:
        self.asked.append((len(inputs), self.batch_rows))

    def read(self) -> float:
        return float(sum(-(-rows // batch) for rows, batch in self.asked))


def timed(monkeypatch: pytest.MonkeyPatch, encoder: Clock, rows: int, *, device: str = "cpu") -> float:
    monkeypatch.setattr(pace, "device", lambda: device)
    monkeypatch.setattr(pace.time, "perf_counter", encoder.read)
    return pace.rows_per_second(encoder, ["a row"] * rows)


@pytest.mark.parametrize(("rows", "rate"), [(500, 8.0), (64, 8.0), (3, 3.0)])
def test_at_most_64_rows_are_timed_and_the_first_call_is_not(monkeypatch: pytest.MonkeyPatch, rows: int, rate: float) -> None:
    assert timed(monkeypatch, Clock(batch_rows=64), rows) == rate


def test_rows_go_in_batches_of_like_length_as_they_would_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Clock(batch_rows=64)
    timed(monkeypatch, encoder, 500)
    assert encoder.asked[-1] == (64, 8)


@pytest.mark.parametrize(("device", "batch"), [("cpu", 4), ("cuda", 4)])
def test_batches_are_never_larger_than_the_params_say(monkeypatch: pytest.MonkeyPatch, device: str, batch: int) -> None:
    encoder = Clock(batch_rows=batch)
    timed(monkeypatch, encoder, 500, device=device)
    assert encoder.asked[-1] == (64, batch)


def test_a_gpu_is_timed_with_the_batches_it_will_get(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Clock(batch_rows=64)
    timed(monkeypatch, encoder, 500, device="cuda")
    assert encoder.asked[-1] == (64, 64)
