"""Training that was stopped goes on where it was, and ends at the same weights."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rootstock.finetuning import stepper
from rootstock.part import Keep

METHODS = ("lora", "full", "last_layers", "gradual_unfreezing")


class StopHereError(Exception):
    pass


def weights(fitted):
    return [*(value.numpy() for value in fitted.encoder.model.state_dict().values()), fitted.head.weight]


def fit(toy, method, keep, *, heldout=True):
    start = replace(toy.start, keep=keep, states={})
    return method.fit(start, toy.train, heldout=toy.test if heldout else None, setting=None, seed=3)


def stop_after(monkeypatch, steps):
    """Let training die, without a word, after so many steps."""
    real, done = stepper.Stepper.step, []

    def step(self, inputs, indices):
        if len(done) == steps:
            raise StopHereError
        done.append(1)
        return real(self, inputs, indices)

    monkeypatch.setattr(stepper.Stepper, "step", step)
    return done


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("steps", [1, 5, 6, 13])
def test_weights_and_what_was_said_of_held_out_rows_are_those_of_the_uninterrupted(
    toy, make_method, name, steps, tmp_path, monkeypatch
):
    method = make_method[name]()
    whole = fit(toy, method, None)
    keep = Keep(tmp_path, 0.0)
    with monkeypatch.context() as patched:
        stop_after(patched, steps)
        with pytest.raises(StopHereError):
            fit(toy, method, keep)
    with monkeypatch.context() as patched:
        done = stop_after(patched, 10_000)
        resumed = fit(toy, method, keep)
    assert len(done) == 4 * 6 - steps
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole), weights(resumed), strict=True))
    assert whole.losses == resumed.losses
    assert all(np.array_equal(whole.heldout[epoch], resumed.heldout[epoch]) for epoch in whole.heldout)


def test_a_finished_training_is_not_done_again(toy, make_method, tmp_path, monkeypatch):
    method, keep = make_method["lora"](), Keep(tmp_path, 1e9)
    whole = fit(toy, method, keep)
    done = stop_after(monkeypatch, 0)
    again = fit(toy, method, keep)
    assert done == []
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole), weights(again), strict=True))


def test_another_seed_or_method_does_not_go_on_from_it(toy, make_method, tmp_path):
    keep = Keep(tmp_path, 1e9)
    fit(toy, make_method["lora"](), keep)
    fit(toy, make_method["lora"](learning_rate=0.02), keep)
    fit(toy, make_method["lora"](), keep, heldout=False)
    assert len(list(tmp_path.glob("lora-*.pt"))) == 3


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", pickle.dumps({"a": print})])
def test_a_damaged_checkpoint_is_passed_over(toy, make_method, tmp_path, damage):
    method, keep = make_method["lora"](), Keep(tmp_path, 1e9)
    whole = fit(toy, method, keep)
    [path] = tmp_path.glob("*.pt")
    path.write_bytes(damage)
    again = fit(toy, method, keep)
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole), weights(again), strict=True))


def test_patience_ends_at_the_weights_of_the_lowest_held_out_loss(toy, make_method):
    eager = {"learning_rate": 0.3, "head_learning_rate": 0.5, "epochs": 12}
    short = fit(toy, make_method["lora"](patience=2, **eager), None)
    losses = {epoch: -np.log(said[np.arange(len(said)), toy.test.labels]).mean() for epoch, said in short.heldout.items()}
    best = min(losses, key=losses.get)
    assert len(losses) == best + 2 < 12
    said = np.exp(loop_log_probabilities(short, toy))
    np.testing.assert_allclose(said, short.heldout[best], atol=1e-5)


def loop_log_probabilities(fitted, toy):
    from rootstock.head import log_probabilities

    return log_probabilities(fitted.encoder.embed(toy.test.inputs), fitted.head)


def test_a_loss_that_is_not_finite_leaves_the_weights_of_the_last_whole_epoch(toy, make_method, monkeypatch):
    real, done = stepper.Stepper.gradients, []

    def gradients(self, inputs, indices):
        done.append(1)
        return real(self, inputs, indices) if len(done) != 15 else float("nan")

    monkeypatch.setattr(stepper.Stepper, "gradients", gradients)
    broken = fit(toy, make_method["lora"](epochs=4), None)
    assert broken.notes == (
        "lora: the loss is nan at step 2 of epoch 3 with learning_rate 0.01; the weights of epoch 2 are kept; "
        "lower finetuning's learning_rate",
    )
    said = np.exp(loop_log_probabilities(broken, toy))
    np.testing.assert_allclose(said, broken.heldout[2.0], atol=1e-5)


def test_out_of_memory_halves_the_batch_and_goes_on(toy, make_method, monkeypatch):
    real = stepper.scores

    def scores(encoder, layer, tensors):
        if len(tensors["input_ids"]) > 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return real(encoder, layer, tensors)

    method = make_method["full"]()
    whole = fit(toy, method, None)
    monkeypatch.setattr(stepper, "scores", scores)
    halved = fit(toy, method, None)
    assert halved.notes == (
        "full: out of memory; batches of 8 rows are computed 4 at a time",
        "full: out of memory; batches of 8 rows are computed 2 at a time",
    )
    assert halved.losses[0] == pytest.approx(whole.losses[0], rel=0.05)  # other dropout, the same sums


def test_another_error_is_not_taken_for_memory(toy, make_method, monkeypatch):
    def scores(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(stepper, "scores", scores)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(toy, make_method["full"](), None)


SCRIPT = """
import hashlib, os, sys, time
from pathlib import Path
import numpy as np
import peft, torch, transformers
from rootstock.data.text import Text
from rootstock.finetuning.lora import Lora
from rootstock.part import Keep, Rows, Start
from rootstock.rows import bare_encoder
from rootstock.finetuning import stepper

def train(folder, pause):
    folder.mkdir(exist_ok=True)
    encoder = bare_encoder(sys.argv[1], Text(max_tokens=16), pooling="mean", batch_rows=16, cache_folder=folder)
    texts = [f"{word} {other}" for word in ("keel", "mast", "rye", "star") for other in ("hull", "oven", "moon", "sail")]
    labels = np.array([i % 2 for i in range(16)])
    real = stepper.Stepper.step
    def step(self, inputs, indices):
        with (folder / "steps").open("a") as stream:
            stream.write("x")
        time.sleep(pause)
        return real(self, inputs, indices)
    stepper.Stepper.step = step
    method = Lora(
        learning_rate=0.01, head_learning_rate=0.05, weight_decay=0.01, batch_rows=2, epochs=8, warmup_share=0.1, rank=2, alpha=4,
        dropout=0.1, target_modules=("query", "value"), last_layers=None, probe_regularisation=None, label_smoothing=0.0,
        class_weights="equal", patience=None, augmentations=(),
    )
    start = Start(encoder.load, 2, None, Keep(folder / "checkpoints", 0.0))
    fitted = method.fit(start, Rows(texts, labels, np.zeros((16, 16))), heldout=None, setting=None, seed=0)
    found = hashlib.sha256()
    for value in fitted.encoder.model.state_dict().values():
        found.update(value.numpy().tobytes())
    (folder / "weights").write_text(found.hexdigest())

for line in sys.stdin:
    folder, pause = line.split()
    child = os.fork()
    if child == 0:
        train(Path(folder), float(pause))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
ALL_STEPS = 8 * 8


@pytest.fixture
def trainer(tiny_backbone) -> Iterator[subprocess.Popen[str]]:
    """Forks a process for each training that it is asked for, as loading libraries takes far longer than the training."""
    call = [sys.executable, "-c", SCRIPT, str(tiny_backbone)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


def begin(trainer: subprocess.Popen[str], folder: Path, pause: float) -> int:
    """Id of the process that trains."""
    assert trainer.stdin is not None
    assert trainer.stdout is not None
    print(folder, pause, file=trainer.stdin, flush=True)
    return int(trainer.stdout.readline())


def status(trainer: subprocess.Popen[str]) -> int:
    """Of the process that trained, when it is over."""
    assert trainer.stdout is not None
    return int(trainer.stdout.readline())


def steps_begun(folder: Path) -> int:
    path = folder / "steps"
    return path.stat().st_size if path.is_file() else 0


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_a_step_each_at_most(trainer, tmp_path):
    begin(trainer, tmp_path / "whole", 0.0)
    assert status(trainer) == 0
    random.seed(0)
    folder = tmp_path / "killed"
    ends = []
    for kill in range(20):
        child = begin(trainer, folder, 0.02)
        until = steps_begun(folder) + random.randint(1, 3)
        limit = time.monotonic() + 60
        while steps_begun(folder) < until and time.monotonic() < limit:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL if kill % 2 else signal.SIGTERM)
        ends.append(status(trainer))
    begin(trainer, folder, 0.0)
    assert status(trainer) == 0
    assert (folder / "weights").read_text() == (tmp_path / "whole" / "weights").read_text()
    assert steps_begun(folder) <= ALL_STEPS + 20  # a kill repeats the step that it fell into, and no other
    assert ends.count(signal.SIGKILL) == 10
