"""``rootstock init``: begin a task."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click

from rootstock_flows.session import emit

#: Kept equal to the repository's params.yaml, params-images.yaml and dvc.yaml by tests.
TEMPLATE = Path(__file__).parent.parent / "params_template.yaml"
IMAGE_TEMPLATE = Path(__file__).parent.parent / "params_images_template.yaml"
DVC_TEMPLATE = Path(__file__).parent.parent / "dvc_template.yaml"
#: Where a backbone is expected that the task's own pretraining makes.
OWN_BACKBONE = ".rootstock/backbones/own"
IGNORED = ".rootstock/\ndvc_plots/\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SOURCES = "# datasets to learn from: 'rootstock data add NAME PATH' first, then [NAME, ...]"


@click.command(name="init")
@click.argument("name")
@click.option("--images", is_flag=True, help="A task of images; without it, one of texts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str, images: bool, as_json: bool) -> None:
    """Write a folder NAME with a params.yaml to begin a task from, and a dvc.yaml for experiments with it."""
    from rootstock.errors import InputError
    from rootstock.files import new_folder, write_text

    folder = Path(name)
    task = folder.name
    if not _NAME.fullmatch(task):
        raise InputError(f"expected a name of letters, digits, '.', '_' and '-', found '{task}'; choose another name")
    if folder.exists():
        raise InputError(f"{folder}: expected a name that is free, found something there; choose another name or remove it")
    with new_folder(folder) as temporary:
        template = (IMAGE_TEMPLATE if images else TEMPLATE).read_text(encoding="utf-8")
        write_text(temporary / "params.yaml", params_for(task, template))
        write_text(temporary / "dvc.yaml", DVC_TEMPLATE.read_text(encoding="utf-8"))
        write_text(temporary / ".gitignore", IGNORED)
    # No package brings a pretrained backbone for images; who names one of a folder or of the hub in backbone.name pretrains none.
    backbone = ["rootstock data add my-source PATH", f"rootstock pretrain my-source --to {OWN_BACKBONE}"] if images else []
    steps = [f"cd {shlex.quote(str(folder))}", *backbone, f"rootstock data add {task} PATH", "rootstock run"]
    text = [f"Wrote {folder / 'params.yaml'}: every value stands there. Next:", *(f"  {step}" for step in steps)]
    emit({"params": (folder / "params.yaml").as_posix(), "next": steps}, as_json=as_json, text="\n".join(text))


def params_for(task: str, template: str) -> str:
    """The template with the task's own names, a backbone of its own where that is the demo's, and all of its labelled rows to learn
    from; comments and every other value stay.
    """
    import yaml

    task = yaml.safe_dump(task).splitlines()[0]  # in quotes where YAML would read a number, a date, or yes
    for key in ("task", "target", "model", "experiment"):
        template = _replace(
            template, rf"^(\s*{key}:) \S+[^\S\n]*(?=#|$)", lambda match: f"{match[1]} {task}  ".ljust(len(match[0]))
        )
    template = re.sub(r"[^\S\n]+$", "", template, flags=re.MULTILINE)
    template = _replace(
        template, r"^(\s*labelled_rows_per_class:) \S+[^\S\n]*(?=#)", lambda match: f"{match[1]} null".ljust(len(match[0]))
    )
    template = template.replace(".rootstock/backbones/small-resnet ", f"{OWN_BACKBONE} ")
    return _replace(template, r"^(\s*sources:) .*$", lambda match: f"{match[1]} []".ljust(33) + _SOURCES)


def _replace(text: str, pattern: str, by: Callable[[re.Match[str]], str]) -> str:
    return re.sub(pattern, by, text, count=1, flags=re.MULTILINE)
