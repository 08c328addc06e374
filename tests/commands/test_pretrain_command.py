"""``rootstock pretrain`` from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rootstock.architecture import ARCHITECTURES
from rootstock.backbone import content_hash, locate
from rootstock.errors import DataError, InputError
from rootstock.similarity.limits import find_licence
from rootstock_flows.commands.data import command as data
from rootstock_flows.commands.pretrain import command as pretrain

SMALL = ("--set", "finetuning.source.epochs=1", "--set", "data.modality.side=12")


@pytest.fixture
def project(tmp_path, monkeypatch):
    source = Path(__file__).parents[2] / "params-images.yaml"
    (tmp_path / "params.yaml").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = random.integers(0, 90, (40, 9, 9), dtype=np.uint8) + (120 * labels[:, None, None]).astype(np.uint8)
    np.savez("shades.npz", images=images, labels=np.array(["dark", "light"])[labels])
    call(data, "add", "shades", "shades.npz", "--licence", "CC0-1.0")
    return tmp_path


def call(command, *arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_help_names_every_architecture():
    said = CliRunner().invoke(pretrain, ["--help"]).output
    for name in (name for known in ARCHITECTURES.values() for name in known):
        assert name in said


def test_a_backbone_is_written_that_can_be_named(project):
    said = call(pretrain, "shades", "--to", "own/shades", *SMALL)
    assert "trained on 32 rows of shades/v1" in said
    assert "of 8 held-out rows (" in said
    assert said.splitlines()[-1] == "use it with backbone.name: own/shades"
    assert locate("own/shades") == Path("own/shades")
    card = Path("own/shades/README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: CC0-1.0\n---\n# small-resnet trained on shades/v1\n")
    assert find_licence(Path("own/shades"), "own/shades") == "CC0-1.0"


def test_json_is_one_document_and_the_same_seed_gives_the_same_backbone(project):
    first = json.loads(call(pretrain, "shades", "--to", "a", "--json", *SMALL))
    second = json.loads(call(pretrain, "shades/v1", "--to", "b", "--json", *SMALL))
    assert first["sha256"] == second["sha256"] == content_hash(project / "a")
    assert (first["architecture"], first["accuracy"]["n"], first["labels"]) == ("small-resnet", 8, ["dark", "light"])
    assert first["contamination"] is None


def test_a_folder_that_is_there_is_left_alone(project):
    Path("own").mkdir()
    with pytest.raises(InputError, match="own: expected a name that is free"):
        call(pretrain, "shades", "--to", "own", *SMALL)
    assert list(Path("own").iterdir()) == []


def test_an_unknown_source_writes_nothing(project):
    with pytest.raises(DataError, match=r"unknown dataset 'shade'.*did you mean 'shades'"):
        call(pretrain, "shade", "--to", "own", *SMALL)
    assert not Path("own").exists()


def test_images_of_a_folder_can_be_learned_too(project):
    random = np.random.default_rng(1)
    for number in range(20):
        path = Path("pictures") / ("a" if number % 2 else "b") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, format="JPEG")
        path.write_bytes(buffer.getvalue())
    call(data, "add", "pictures", "pictures")
    assert json.loads(call(pretrain, "pictures", "--to", "own", "--json", "--held-out", "0.5", *SMALL))["rows"] == 10
