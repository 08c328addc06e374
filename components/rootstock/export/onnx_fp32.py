"""ONNX in fp32: from token ids or pixels to the probabilities of the classes in one graph."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from rootstock.classifier import Classifier
from rootstock.errors import BackboneError, InputError
from rootstock.export.contents import write_reader
from rootstock.head import Head

MODEL_FILE = "model.onnx"
OPSET = 17
"""the first with layer normalisation as one operator"""


def write_onnx(classifier: Classifier, folder: Path) -> None:
    """``model.onnx``, and what reads the inputs."""
    write_graph(classifier, folder / MODEL_FILE)
    write_reader(classifier.encoder, folder)


def write_graph(classifier: Classifier, path: Path) -> None:
    """The graph ``input_ids, attention_mask`` (or ``pixel_values``) -> ``probabilities`` (batch, c); batch and sequence are free.

    Raises BackboneError if torch cannot write the backbone as ONNX, InputError for a head that is not linear.
    """
    import torch

    if not isinstance(classifier.head, Head):
        raise InputError(
            f"expected a linear head, found {classifier.head.file}: boosted trees are not written as ONNX; export --format merged, "
            "or train with another method than boosted_head"
        )
    names, example = _example(classifier)
    axes = {name: {0: "batch"} if name == "pixel_values" else {0: "batch", 1: "sequence"} for name in names}
    graph = _graph(classifier, classifier.head).eval()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # each shape that tracing reads as a number; whether one matters is checked afterwards
            torch.onnx.export(
                graph, example, str(path), input_names=list(names), output_names=["probabilities"],
                dynamic_axes=axes | {"probabilities": {0: "batch"}}, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        kind = type(classifier.encoder.model).__name__
        raise BackboneError(f"{kind}: torch cannot write this backbone as ONNX: {said}; export --format merged") from error


def _example(classifier: Classifier) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Names and tensors to trace with: two rows of unlike length, or transformers leaves the mask out of the graph."""
    encoder = classifier.encoder
    if encoder.modality.name == "image":
        import torch

        side = encoder.modality.model_dump()["side"]
        return ("pixel_values",), (torch.zeros(2, 3, side, side),)
    tensors = encoder.modality.tensors(["one", "a longer text than the other"], encoder.processor)
    names = ("input_ids", "attention_mask")
    return names, tuple(tensors[name] for name in names)


def _graph(classifier: Classifier, head: Head) -> Any:
    """Encoder, pooling, unit length, head and softmax as one module, on the CPU."""
    import torch

    names, _ = _example(classifier)
    encoder = replace(classifier.encoder, model=classifier.encoder.model.to("cpu"))

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder.model
            classes, width = head.weight.shape
            self.head = torch.nn.Linear(width, classes)
            self.head.weight.data = torch.from_numpy(head.weight).float()
            self.head.bias.data = torch.from_numpy(head.bias).float()

        def forward(self, *tensors: Any) -> Any:
            features = encoder.features(dict(zip(names, tensors, strict=True)))
            if classifier.normalise:
                features = features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)
            return torch.softmax(self.head(features) / classifier.temperature, dim=1)

    return Graph()
