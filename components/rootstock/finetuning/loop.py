"""The one training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.finetuning.checkpoint import Checkpoint, Stop
from rootstock.finetuning.optimisation import Group, Optimisation
from rootstock.finetuning.training import Training
from rootstock.part import Fitted, Rows

if TYPE_CHECKING:
    from rootstock.encoder import Encoder
    from rootstock.head import Head


def train(
    encoder: Encoder,
    rows: Rows,
    *,
    head: Head,
    heldout: Rows | None,
    optimisation: Optimisation,
    label: str,
    groups: Sequence[Group] | None = None,
    inputs_of: Callable[[int], Sequence[Any]] | None = None,
    checkpoint: Checkpoint | None = None,
    bfloat16: bool = False,
) -> Fitted:
    """Train the encoder's parameters that require gradients, and a linear head on features of unit length.

    ``head`` is what the head starts from, ``groups`` (all parameters alike, if None) how the encoder's are stepped; ``inputs_of``
    gives the inputs of an epoch where they are changed at random. Rows of ``heldout`` are predicted after every epoch. With
    ``bfloat16`` a GPU that knows it computes the forward pass in it.

    With a ``checkpoint``, training that was stopped goes on where it was: on a CPU its weights are then, bit for bit, those of
    training that was not. A batch that does not fit into memory is computed in halves. When the loss is no longer finite, training
    ends with the weights of the last whole epoch, and says so in ``notes``; raises InputError with step and rate if there is none.

    Several processes share the rows of each batch and sum their gradients, so loss and weights are those of one process, up to
    rounding and dropout masks, which each draws for itself. See ``rootstock.processes``.
    """
    import torch

    torch.manual_seed(processes.own_seed(optimisation.seed))
    stop = Stop()
    run = Training(
        encoder, rows, head=head, heldout=heldout, optimisation=optimisation, label=label, groups=groups,
        questions=lambda: (stop.asked, checkpoint is not None and checkpoint.due()), bfloat16=bfloat16,
    )  # fmt: skip
    if checkpoint is not None and (kept := checkpoint.read()) is not None:
        run.resume(kept)
    processes.equalise([parameter.data for parameter in run.stepper.trained])
    with stop.listening(wanted=checkpoint is not None), run.progress_bar() as bar:
        while not run.is_done:
            inputs = inputs_of(run.at.epoch) if inputs_of is not None else rows.inputs
            for loss_known in run.epoch(inputs):
                bar.update(loss_known)
                is_asked, is_due = run.stepper.answers()
                if checkpoint is not None and (is_asked or is_due):
                    checkpoint.write(run.state())
                    stop.obey(others=is_asked)
            bar.set_postfix(loss=f"{run.at.losses[-1]:.3f}" if run.at.losses else "")
        if checkpoint is not None:
            checkpoint.write(run.state() | {"optimizer": None})  # a stop from here on finds it finished
    return run.fitted()
