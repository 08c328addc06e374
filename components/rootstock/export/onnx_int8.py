"""ONNX in int8: the weights of the fp32 graph quantised, the activations while it runs (onnxruntime's dynamic quantisation)."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rootstock.classifier import Classifier
from rootstock.export.contents import write_reader
from rootstock.export.onnx_fp32 import MODEL_FILE, write_graph


def write_int8(classifier: Classifier, folder: Path) -> None:
    """``model.onnx`` with 8-bit weights, and what reads the inputs.

    A scale a channel, and weights of 7 bits: with 8, processors without VNNI overflow, and on those with it 7 changed no more
    labels (MiniLM, eight classes: 4% of 200 rows, 5% with 8 bits; one scale a matrix changed 14%).
    """
    with tempfile.TemporaryDirectory() as temporary:
        fp32 = Path(temporary) / MODEL_FILE
        write_graph(classifier, fp32)
        quantise(fp32, folder / MODEL_FILE)
    write_reader(classifier.encoder, folder)


def quantise(fp32: Path, target: Path) -> None:
    """Write the int8 graph of an fp32 graph."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model: Any = onnx.load(str(fp32))
    del model.graph.value_info[:]  # shapes written down by the exporter contradict those that the quantiser infers
    # onnxruntime's integer convolution takes unsigned weights only.
    has_convolution = any(node.op_type == "Conv" for node in model.graph.node)
    with _quiet():
        quantize_dynamic(
            model, str(target), per_channel=True, reduce_range=True,
            weight_type=QuantType.QUInt8 if has_convolution else QuantType.QInt8,
        )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice, on the root logger, to run a pre-processing that needs another package."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
