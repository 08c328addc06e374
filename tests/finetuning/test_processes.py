"""Two real processes over gloo train as one does: the same weights but for rounding, the same ends."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock import processes
from rootstock.data.image import Image
from rootstock.errors import InputError
from rootstock.finetuning import frozen_prefix, hidden_states, precision, read_once, stepper
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.shared_gradients import sum_gradients
from rootstock.part import Keep, Rows, Start
from rootstock.rows import bare_encoder

#: Sums of the same float32 gradients in another order, after 24 steps of AdamW.
TOLERANCE = 1e-5
SECONDS = 120
#: Keys get the same added to all scores of a query, which softmax takes away: their gradient is nothing but rounding.
ONLY_ROUNDING = ("key.bias",)


def start_together(count: int, work: Callable[[int], Any], folder: Path) -> list[Any]:
    """Begin ``work`` in so many processes that have joined; each leaves its result, or its error, in a file."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def body(rank: int) -> None:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        os.dup2(os.open(folder / f"said-{rank}", os.O_WRONLY | os.O_CREAT), 2)
        processes.join()
        found: Any
        try:
            found = work(rank)
        except Exception as error:
            found = error
        (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))
        processes.leave()

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=body, args=(rank,)) for rank in range(count)]
    for child in children:
        child.start()
    return children


def run_together(count: int, work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What ``work`` gave in each process."""
    children = start_together(count, work, folder)
    for child in children:
        child.join(SECONDS)
        child.kill()
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(count)]


def weights(fitted) -> dict[str, np.ndarray]:
    body = {name: value.numpy() for name, value in fitted.encoder.model.state_dict().items()}
    return body | {"head": fitted.head.weight, "head bias": fitted.head.bias}


def summary(fitted) -> dict[str, Any]:
    return {"weights": weights(fitted), "losses": fitted.losses, "heldout": fitted.heldout, "notes": fitted.notes}


def without_dropout(toy, *, rows: int = 48, keep=None):
    """The toy's start and its first rows."""

    def load():
        encoder = toy.start.load()
        for part in encoder.model.modules():
            if type(part).__name__ == "Dropout":
                part.p = 0.0
        return encoder

    return replace(toy.start, load=load, keep=keep, states={}), take(toy.train, np.arange(rows))


def fit(toy, method, *, rows: int = 48, keep=None):
    start, chosen = without_dropout(toy, rows=rows, keep=keep)
    return summary(method.fit(start, chosen, heldout=toy.test, setting=None, seed=3))


def fit_with_dropout(toy, method, *, keep=None):
    start = replace(toy.start, keep=keep, states={})
    return summary(method.fit(start, toy.train, heldout=toy.test, setting=None, seed=3))


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest of any weight."""
    assert one["weights"].keys() == other["weights"].keys()
    names = [name for name in one["weights"] if not name.endswith(ONLY_ROUNDING)]
    return max(float(np.abs(one["weights"][name] - other["weights"][name]).max()) for name in names)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """To the bit."""
    return all(np.array_equal(one["weights"][name], other["weights"][name]) for name in one["weights"])


@contextlib.contextmanager
def changed(place: Any, name: str, value: Any):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, value)
        yield


def memory_for(rows: int, *, only: int):
    """``scores`` that finds no memory for more rows, in one process only."""
    real = stepper.scores

    def scores(encoder, layer, tensors):
        if processes.rank() == only and len(tensors["input_ids"]) > rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(encoder, layer, tensors)

    return scores


def not_finite_in(rank: int):
    real = stepper.Stepper.gradients

    def gradients(self, inputs, indices):
        loss = real(self, inputs, indices)
        return float("nan") if processes.rank() == rank else loss

    return gradients


def frozen_states(toy, *, full_in: int | None = None):
    """Hidden states of the toy's rows below its last layer, and how many of them this process has computed."""
    start, rows = without_dropout(toy)
    prefix, _ = frozen_prefix.split_encoder(replace(start.load(), batch_rows=8), 1, rows.inputs)
    real, seen = hidden_states.hidden_states, []

    def hidden(prefix, inputs):
        if processes.rank() == full_in:
            raise OSError("no space left on device")
        seen.extend(inputs)
        return real(prefix, inputs)

    with changed(hidden_states, "hidden_states", hidden):
        states = hidden_states.through_prefix(prefix, rows, label="x")
    return None if states is None else [np.array(row) for row in states.inputs], len(seen)


@pytest.fixture(scope="module")
def alone(toy, make_method):
    return {
        "lora": fit(toy, make_method["lora"]()),
        "full": fit(toy, make_method["full"]()),
        "ragged": fit(toy, make_method["lora"](), rows=33),
        "single rows": fit(toy, make_method["lora"](batch_rows=1, epochs=1), rows=12),
        "unfreezing": fit(toy, make_method["gradual_unfreezing"]()),
        "above frozen layers": fit(toy, make_method["last_layers"]()),
        "states": frozen_states(toy),
    }


@pytest.fixture(scope="module")
def pair(toy, make_method, tmp_path_factory):
    """What each of two processes got; every case in one launch."""

    def work(rank):
        found = {
            "lora": fit(toy, make_method["lora"]()),
            "full": fit(toy, make_method["full"]()),
            "ragged": fit(toy, make_method["lora"](), rows=33),
            "single rows": fit(toy, make_method["lora"](batch_rows=1, epochs=1), rows=12),
            "unfreezing": fit(toy, make_method["gradual_unfreezing"]()),
            "above frozen layers": fit(toy, make_method["last_layers"]()),
            "dropout": fit_with_dropout(toy, make_method["lora"](dropout=0.1)),
            "seed": processes.own_seed(3),
            "states": frozen_states(toy),
            "states without room": frozen_states(toy, full_in=1),
        }
        with changed(read_once, "OPEN_FILES", "/proc/{}/task" if rank else read_once.OPEN_FILES):
            found["states unshared"] = frozen_states(toy)
        with changed(stepper, "scores", memory_for(2, only=1)):
            found["out of memory"] = fit(toy, make_method["lora"]())
        with changed(stepper.Stepper, "gradients", not_finite_in(1)), pytest.raises(InputError) as raised:
            fit(toy, make_method["lora"]())
        found["not finite"] = str(raised.value)
        found["agreed"] = processes.agreed(f"of {rank}")
        found["gathered"] = processes.gathered(rank)
        return found

    return run_together(2, work, tmp_path_factory.mktemp("pair") / "out")


@pytest.mark.parametrize("case", ["lora", "full", "unfreezing", "above frozen layers", "ragged", "single rows"])
def test_two_processes_end_at_the_weights_of_one(alone, pair, case):
    assert difference(alone[case], pair[0][case]) < TOLERANCE
    np.testing.assert_allclose(alone[case]["losses"], pair[0][case]["losses"], atol=TOLERANCE)


@pytest.mark.parametrize("case", ["lora", "full", "ragged", "dropout", "out of memory"])
def test_both_processes_hold_the_same_weights_to_the_bit(pair, case):
    assert same(pair[0][case], pair[1][case])
    assert all(np.array_equal(pair[0][case]["heldout"][epoch], pair[1][case]["heldout"][epoch]) for epoch in (1.0, 4.0))


def test_each_computes_a_share_of_the_frozen_layers_and_reads_the_others_to_the_bit(alone, pair):
    (expected, rows), shares = alone["states"], [each["states"] for each in pair]
    assert sum(share for _, share in shares) == rows == 48
    assert all(0 < share < rows for _, share in shares)
    for states, _ in shares:
        assert all(np.array_equal(one, other) for one, other in zip(states, expected, strict=True))


def test_files_of_the_other_that_cannot_be_read_are_computed_by_each(alone, pair):
    for states, rows in (each["states unshared"] for each in pair):
        assert rows > 48
        assert all(np.array_equal(one, other) for one, other in zip(states, alone["states"][0], strict=True))


def test_no_room_for_states_in_one_process_is_none_in_both(pair):
    assert [each["states without room"][0] for each in pair] == [None, None]


def test_heldout_rows_are_shared_and_answered_as_by_one(alone, pair):
    for epoch, said in alone["above frozen layers"]["heldout"].items():
        np.testing.assert_allclose(pair[1]["above frozen layers"]["heldout"][epoch], said, atol=TOLERANCE)


def test_each_draws_dropout_of_its_own(pair):
    assert pair[0]["seed"] == 3
    assert pair[1]["seed"] != 3


def test_memory_too_small_in_one_halves_in_both(alone, pair):
    for each in pair:
        assert each["out of memory"]["notes"] == (
            "lora: trained by 2 processes", "lora: out of memory; batches of 8 rows are computed 2 at a time in each process",
        )  # fmt: skip
    assert difference(alone["lora"], pair[0]["out of memory"]) < TOLERANCE


def test_a_loss_that_is_not_finite_in_one_ends_both_alike(pair):
    assert "the loss is nan at step 0 of epoch 1" in pair[0]["not finite"]
    assert pair[0]["not finite"] == pair[1]["not finite"]


def test_the_record_tells_how_many_trained(alone, pair):
    assert pair[0]["lora"]["notes"] == ("lora: trained by 2 processes",)
    assert alone["lora"]["notes"] == ()


def test_what_the_first_decides_holds_for_all(pair):
    assert [each["agreed"] for each in pair] == ["of 0", "of 0"]
    assert [each["gathered"] for each in pair] == [[0, 1], [0, 1]]


def told_to_stop(rank: int, *, after: int):
    """``Stepper.step`` in which one of the processes gets the signal."""
    real, done = stepper.Stepper.step, []

    def step(self, inputs, indices):
        done.append(1)
        if len(done) == after and processes.rank() == rank:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, inputs, indices)

    return step


@pytest.fixture(scope="module")
def stopped(toy, make_method, tmp_path_factory) -> tuple[Path, list[int | None]]:
    """A folder with the checkpoint of two processes, of which the second was told to stop in step 9 of 24, and their exit codes."""
    folder = tmp_path_factory.mktemp("stopped")

    def work(rank):
        with changed(stepper.Stepper, "step", told_to_stop(1, after=9)):
            fit_with_dropout(toy, make_method["lora"](dropout=0.1), keep=Keep(folder / "kept", 1e9))

    children = start_together(2, work, folder / "out")
    for child in children:
        child.join(SECONDS)
        child.kill()
    return folder / "kept", [child.exitcode for child in children]


def test_word_to_stop_in_one_ends_both_after_the_same_step(stopped):
    import torch

    folder, codes = stopped
    assert codes == [-signal.SIGTERM, -signal.SIGTERM]
    [path] = folder.glob("*.pt")
    at = torch.load(path, weights_only=True)["at"]
    assert (at["epoch"], at["batch"]) == (1, 3)


def test_two_processes_go_on_to_the_weights_of_two_that_were_not_stopped(pair, stopped, toy, make_method, tmp_path):
    kept = Path(shutil.copytree(stopped[0], tmp_path / "kept"))
    method = make_method["lora"](dropout=0.1)
    resumed = run_together(2, lambda rank: fit_with_dropout(toy, method, keep=Keep(kept, 1e9)), tmp_path / "out")
    assert same(resumed[0], pair[0]["dropout"])
    assert resumed[0]["losses"] == pair[0]["dropout"]["losses"]


def test_one_goes_on_where_two_were_stopped_and_says_so(stopped, toy, make_method, tmp_path):
    kept = Path(shutil.copytree(stopped[0], tmp_path / "kept"))
    resumed = fit_with_dropout(toy, make_method["lora"](dropout=0.1), keep=Keep(kept, 1e9))
    assert resumed["notes"] == (
        "lora: trained by 2 processes", "lora: goes on with 1 instead of 2 processes, with dropout masks drawn anew",
    )  # fmt: skip
    assert len(resumed["losses"]) == 4


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> tuple[Start, Rows]:
    """Nine images of noise, and a residual network that normalises by batch."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    folder = tmp_path_factory.mktemp("resnet")
    torch.manual_seed(0)
    ResNetModel(ResNetConfig(hidden_sizes=[8], depths=[1], embedding_size=8, layer_type="basic")).save_pretrained(folder)
    source = bare_encoder(str(folder), Image(side=16), pooling="mean", batch_rows=16, cache_folder=folder / "features")
    random, inputs = np.random.default_rng(0), []
    for _ in range(9):
        buffer = io.BytesIO()
        Pictures.fromarray(random.integers(0, 255, (16, 16, 3)).astype(np.uint8)).save(buffer, format="PNG")
        inputs.append(buffer.getvalue())
    return Start(source.load, 2, None), Rows(inputs, np.arange(9) % 2, np.zeros((9, 0)))


def test_running_statistics_are_the_same_in_both_processes(pictures, make_method, tmp_path):
    start, rows = pictures
    method = make_method["full"](batch_rows=5, epochs=2)  # of five rows three and two; of the last four two each

    def work(rank):
        return summary(method.fit(start, rows, heldout=None, setting=None, seed=3))

    first, second = run_together(2, work, tmp_path / "out")
    before = start.load().model.state_dict()
    means = [name for name in before if name.endswith("running_mean")]
    assert means
    assert all(not np.allclose(first["weights"][name], before[name].numpy()) for name in means)
    assert same(first, second)


def test_statistics_of_batches_become_the_mean_of_those_that_saw_rows(tmp_path):
    def work(rank):
        import torch

        weight = torch.nn.Parameter(torch.zeros(2))
        weight.grad = torch.full((2,), 1.0 + rank) if rank < 2 else None
        unused = torch.nn.Parameter(torch.zeros(1))
        mean, seen = torch.tensor([4.0 * rank]), torch.tensor(7 if rank < 2 else 0)
        told = sum_gradients([weight, unused], (0.5, rank == 2), statistics=[mean, seen], moved=rank < 2)
        return weight.grad.tolist(), unused.grad, mean.tolist(), int(seen), told

    assert run_together(3, work, tmp_path / "out") == 3 * [([3.0, 3.0], None, [2.0], 7, [1.5, 1.0])]


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(("device", "wanted", "supported", "expected"), [
    ("cpu", True, True, False), ("cuda", True, True, True), ("cuda", False, True, False), ("cuda", True, False, False),
])  # fmt: skip
def test_the_forward_pass_is_in_bfloat16_on_a_gpu_that_knows_it_and_nowhere_else(device, wanted, supported, expected, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    context = precision.forward_in_bfloat16(device, wanted=wanted)
    assert isinstance(context, torch.autocast) == expected
    assert not expected or context.fast_dtype == torch.bfloat16


def test_a_process_of_its_own_shares_with_nobody():
    assert processes.count() == 1
    assert processes.agreed("x") == "x"
    assert list(processes.share(np.arange(3))) == [0, 1, 2]
    assert processes.own_seed(-7) == -7
