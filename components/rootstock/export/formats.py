"""The formats a model is exported in, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstock.classifier import Classifier
from rootstock.errors import InputError, unknown_name
from rootstock.export.merged import write_merged
from rootstock.export.onnx_fp32 import write_onnx
from rootstock.export.onnx_int8 import write_int8

EXTRA = "edge"


@dataclass(frozen=True)
class Format:
    """How a format is written, and what it may lose."""

    write: Callable[[Classifier, Path], None]
    needs: tuple[str, ...]
    """packages of the optional extra"""
    is_exact: bool
    """whether it must answer as the tested model does, up to float rounding"""


FORMATS: Mapping[str, Format] = {
    "merged": Format(write_merged, needs=(), is_exact=True),
    "onnx": Format(write_onnx, needs=("onnx", "onnxruntime"), is_exact=True),
    "onnx-int8": Format(write_int8, needs=("onnx", "onnxruntime"), is_exact=False),
}


def find_formats(names: Sequence[str]) -> dict[str, Format]:
    """The named formats, each once, in the order of the table.

    Raises InputError for an unknown name, and where a package that a format needs is not installed.
    """
    for name in names:
        if name not in FORMATS:
            raise InputError(unknown_name("format", name, FORMATS))
        if missing := [package for package in FORMATS[name].needs if importlib.util.find_spec(package) is None]:
            raise InputError(
                f"--format {name}: expected the packages {' and '.join(FORMATS[name].needs)}, found no {' and no '.join(missing)}; "
                f"install them with pip install 'rootstock-mlops[{EXTRA}]'"
            )
    return {name: kind for name, kind in FORMATS.items() if name in names}
