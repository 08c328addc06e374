"""Every slip in params.yaml or --set gives one line with the full path of the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rootstock.errors import InputError, ParamsError
from rootstock.params import Params, load_params
from rootstock.part import Perturbation, SimilarityMetric, members


@pytest.fixture
def load(tmp_path: Path, params_mapping: Callable[[], dict[str, Any]]) -> Callable[..., Params]:
    """Loads params.yaml after a change to its mapping, with overrides."""

    def loaded(change: Callable[[dict[str, Any]], object] = lambda raw: None, *overrides: str) -> Params:
        raw = params_mapping()
        change(raw)
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        return load_params(path, overrides)

    return loaded


FAIRNESS = {
    "name": "fairness_gap", "groups": {"regoin": None}, "rate": "error", "of": None, "at_most": 0.05, "alpha": 0.05,
}  # fmt: skip


def named(raw: dict[str, Any], name: str) -> Any:
    """The first gate of this name."""
    return next(gate for gate in raw["gates"]["panel"] if gate["name"] == name)


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown section": (
        lambda raw: raw.update(sed=0),
        "params.yaml: sed: unknown key 'sed'; known: backbone, compute, data, evaluation, finetuning, flow, gates, labelling, "
        "monitoring, registration, seed, similarity, task, validation, workspace; did you mean 'seed'?",
    ),
    "unknown key in a section": (
        lambda raw: raw["data"]["columns"].update(labl="x"),
        "params.yaml: data.columns.labl: unknown key 'labl'; known: group, id, input, keep, label, split, time; "
        "did you mean 'label'?",
    ),
    "unknown key in a part": (
        lambda raw: raw["data"]["modality"].update(max_token=3),
        "params.yaml: data.modality.max_token: unknown key 'max_token'; known: max_tokens, name; did you mean 'max_tokens'?",
    ),
    "unknown key in a part of a list": (
        lambda raw: raw["similarity"]["metrics"][2].update(fold=3),
        "params.yaml: similarity.metrics[2].fold: unknown key 'fold'; known: folds, name, repeats; did you mean 'folds'?",
    ),
    "unknown key in a part whose name another family has too": (
        lambda raw: raw["finetuning"]["methods"][0].update(regularizations=[1.0]),
        "params.yaml: finetuning.methods[0].regularizations: unknown key 'regularizations'; known: name, regularisations; "
        "did you mean 'regularisations'?",
    ),
    "a misspelt key, so that the right one is missing": (
        lambda raw: raw["similarity"]["limits"].update(mbi=raw["similarity"]["limits"].pop("mib")),
        "params.yaml: similarity.limits.mbi: unknown key 'mbi'; known: licences, mib, milliseconds_per_row, parameters; "
        "did you mean 'mib'? (and 1 more)",
    ),
    "a section left empty": (
        lambda raw: raw.update(validation=None),
        "params.yaml: validation: expected a mapping of keys to values, found None",
    ),
    "missing section": (
        lambda raw: raw.pop("seed"),
        "params.yaml: seed: expected a value, found none; every key has its value in the file",
    ),
    "missing key of a part": (
        lambda raw: raw["similarity"]["metrics"][1].pop("repeats"),
        "params.yaml: similarity.metrics[1].repeats: expected a value, found none; every key has its value in the file",
    ),
    "wrong type": (
        lambda raw: raw["finetuning"]["methods"][1].update(rank="eight"),
        "params.yaml: finetuning.methods[1].rank: input should be a valid integer, "
        "unable to parse string as an integer, found 'eight'",
    ),
    "out of range": (
        lambda raw: raw["finetuning"]["source"].update(rank=0),
        "params.yaml: finetuning.source.rank: input should be greater than 0, found 0",
    ),
    "misspelt part": (
        lambda raw: raw["similarity"]["metrics"][2].update(name="logm"),
        "params.yaml: similarity.metrics[2]: unknown similarity metric 'logm'; "
        f"known: {', '.join(sorted(members(SimilarityMetric)))}; did you mean 'logme'?",
    ),
    "a part without a name": (
        lambda raw: raw["finetuning"].update(source="lora"),
        "params.yaml: finetuning.source: expected a fine-tuning method as a mapping with the key 'name', found 'lora'",
    ),
    "a part whose name is a list": (
        lambda raw: raw["labelling"].update(strategy={"name": ["margin"]}),
        "params.yaml: labelling.strategy: expected a query strategy as a mapping with the key 'name', found {'name': ['margin']}",
    ),
    "a seed that no generator takes": (
        lambda raw: raw.update(seed=-1),
        "params.yaml: seed: input should be greater than or equal to 0, found -1",
    ),
    "a number in a section that no JSON can hold": (
        lambda raw: raw["similarity"].update(abstain_below_gain=float("nan")),
        "params.yaml: similarity.abstain_below_gain: input should be a finite number, found nan",
    ),
    "a number in a part that no JSON can hold": (
        lambda raw: raw["finetuning"]["source"].update(learning_rate=float("inf")),
        "params.yaml: finetuning.source.learning_rate: input should be a finite number, found inf",
    ),
    "a part named twice": (
        lambda raw: raw["similarity"]["metrics"].append({"name": "leep"}),
        "params.yaml: similarity.metrics: expected each name once, found leep more than once",
    ),
    "an empty list": (
        lambda raw: raw["similarity"].update(metrics=[]),
        "params.yaml: similarity.metrics: expected at least one entry, found an empty list",
    ),
    "a column kept twice": (
        lambda raw: raw["data"]["columns"].update(keep=["region", "region"]),
        "params.yaml: data.columns.keep: expected each name once, found region more than once",
    ),
    "an alternative backbone named twice": (
        lambda raw: raw["backbone"].update(alternatives=["./other", "./other"]),
        "params.yaml: backbone.alternatives: expected each name once, found ./other more than once",
    ),
    "an alternative that is the first backbone": (
        lambda raw: raw["backbone"].update(name="./first", alternatives=["./other", "./first"]),
        "params.yaml: backbone.alternatives: expected backbones other than backbone.name, found ./first again; remove it",
    ),
    "no test rows and none wanted out of fold": (
        lambda raw: raw["data"].update(test_fraction=None),
        "params.yaml: evaluation: expected a data.test_fraction with rows: held_out, or null with rows: out_of_fold, "
        "found null with held_out; change one of them",
    ),
    "test rows held out that nobody would be tested on": (
        lambda raw: raw["evaluation"].update(rows="out_of_fold"),
        "params.yaml: evaluation: expected a data.test_fraction with rows: held_out, or null with rows: out_of_fold, "
        "found 0.5 with out_of_fold; change one of them",
    ),
    "an empty panel": (
        lambda raw: raw["gates"].update(panel=[]),
        "params.yaml: gates.panel: expected at least one gate, found an empty panel; "
        "a pipeline without gates must say 'gates: none'",
    ),
    "gates left empty": (
        lambda raw: raw.update(gates=None),
        "params.yaml: gates: expected the section's keys, found nothing; a pipeline without gates must say 'gates: none'",
    ),
    "a gate on a column that is not kept": (
        lambda raw: (raw["data"]["columns"].update(keep=["region"]), raw["gates"]["panel"].append(FAIRNESS)),
        "params.yaml: gates: unknown column of gate fairness_gap 'regoin'; known: region; did you mean 'region'?; "
        "data.columns.keep names the columns that are kept of the data",
    ),
    "a gate on a perturbation that is not asked for": (
        lambda raw: named(raw, "robustness")["at_most"].update(typo=0.1),
        "params.yaml: gates: unknown perturbation of gate robustness 'typo'; known: truncation, typos; did you mean 'typos'?; "
        "evaluation.perturbations names those that the model is asked under",
    ),
    "a perturbation that no limit is set for": (
        lambda raw: raw["evaluation"]["perturbations"].append({"name": "blanks", "share": 0.1}),
        "params.yaml: gates: expected gate robustness to name each of evaluation.perturbations, found no 'blanks'; "
        "null sets no limit",
    ),
    "a misspelt perturbation": (
        lambda raw: raw["evaluation"]["perturbations"].append({"name": "blank", "share": 0.1}),
        "params.yaml: evaluation.perturbations[2]: unknown perturbation 'blank'; "
        f"known: {', '.join(sorted(members(Perturbation)))}; did you mean 'blanks'?",
    ),
    "superiority with a margin": (
        lambda raw: raw["gates"]["panel"][3].update(margin=0.02),
        "params.yaml: gates.panel[3].margin: expected null with claim: superiority, found 0.02; "
        "a margin is for claim: non_inferiority",
    ),
    "non-inferiority without a margin": (
        lambda raw: raw["gates"]["panel"][3].update(claim="non_inferiority"),
        "params.yaml: gates.panel[3].margin: expected a margin with claim: non_inferiority, found null; such as 0.02",
    ),
    "no penalties": (
        lambda raw: raw["finetuning"]["methods"][0].update(regularisations=[]),
        "params.yaml: finetuning.methods[0].regularisations: expected a list of at least 1, found []",
    ),
    "a number where a list is expected": (
        lambda raw: raw["finetuning"]["methods"][0].update(regularisations=10),
        "params.yaml: finetuning.methods[0].regularisations: expected a list, such as [10], found 10",
    ),
    "several slips": (
        lambda raw: raw.update(seed="x", task=3),
        "params.yaml: task: input should be a valid string, found 3 (and 1 more)",
    ),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_a_slip_in_the_file(load, change, said):
    with pytest.raises(ParamsError) as caught:
        load(change)
    assert str(caught.value) == said
    assert caught.value.exit_code == 2


def test_a_perturbation_of_images_for_texts_is_refused_when_a_run_begins(load):
    params = load(lambda raw: [raw["evaluation"].update(perturbations=[{"name": "blur", "radius": 1.0}]), raw.update(gates="none")])
    with pytest.raises(ParamsError, match=r"expected perturbations that read text.* found blur, which reads image"):
        params.check_perturbations()


OVERRIDES = {
    "finetuning.sourc.rank=3": (
        "--set finetuning.sourc.rank=3: unknown key of finetuning 'sourc'; known: budget_minutes, checkpoint_minutes, choose, "
        "folds, methods, precision, search, source; did you mean 'source'?"
    ),
    "evaluation.scratch.0=1": (
        "--set evaluation.scratch.0=1: unknown key of evaluation.scratch '0'; known: augmentations, batch_rows, class_weights, "
        "epochs, head_learning_rate, label_smoothing, layer_decay, learning_rate, name, patience, probe_regularisation, "
        "warmup_share, weight_decay"
    ),
    "finetuning.methods.2.rank=1": "--set finetuning.methods.2.rank=1: unknown key of finetuning.methods '2'; known: 0, 1",
    "seed.more=1": "--set seed.more=1: unknown key of seed 'more'; known: none",
    "seed": "--set seed: expected KEY.PATH=VALUE, found no '='",
    "task=2024-13-45": (
        "--set task=2024-13-45: expected a YAML value, found '2024-13-45', which is no timestamp; put it in quotes if it is a text"
    ),
    "seed=[1": "--set seed=[1: expected a YAML value, found expected ',' or ']', but got '<stream end>'",
}  # fmt: skip


@pytest.mark.parametrize(("override", "said"), OVERRIDES.items())
def test_a_slip_in_set(load, override, said):
    with pytest.raises(ParamsError) as caught:
        load(lambda raw: None, override)
    assert str(caught.value) == said


def test_set_reaches_into_lists_and_reads_yaml(load):
    params = load(
        lambda raw: None, "similarity.metrics.1.inverse_penalty=0.25", "data.labels=[a, b]", "data.test_rows=null", "task=other"
    )
    assert params.similarity.metrics[1].inverse_penalty == 0.25
    assert params.data.labels == ("a", "b")
    assert params.data.test_rows is None
    assert params.task == "other"


def test_a_pipeline_without_gates_says_so(load):
    assert load(lambda raw: raw.update(gates="none")).gates is None
    assert load(lambda raw: None, "gates=none").gates is None


def test_a_gate_on_a_kept_column_is_welcome(load):
    def keep_region(raw):
        raw["data"]["columns"].update(keep=["region"])
        raw["gates"]["panel"].append(FAIRNESS | {"groups": {"region": None}})

    assert load(keep_region).gates.panel[-1].kept_columns() == ("region",)


def test_broken_yaml_is_named_by_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("task: a\ndata: {target: [b\nseed: 0\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=r"params\.yaml at line 3: expected YAML, found expected ',' or ']'"):
        load_params(path)


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "data:\n  target: b\n  target: c\n": "at line 3: expected YAML, found the key 'target' a second time in one mapping",
        "seed: 0\ntask: 2024-13-45\n": "at line 2: expected YAML, found '2024-13-45', which is no timestamp; put it in quotes",
        "seed: !!bool maybe\n": "at line 1: expected YAML, found 'maybe', which is no bool",
        "a: " + "[" * 5000 + "]" * 5000: ": expected YAML, found maximum recursion depth exceeded",
    }.items(),
    ids=("a key given twice", "a date that there is not", "a word that its tag does not know", "brackets without end"),
)
def test_yaml_that_cannot_be_meant_is_named_by_line(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert said in str(caught.value)


def test_a_key_of_a_merge_may_be_given_again(tmp_path, params_mapping):
    raw = params_mapping()
    raw["flow"] = "FLOW"
    text = yaml.safe_dump(raw).replace(
        "FLOW", "{<<: &base {retries: 2, workers: 1, retry_delay_seconds: 5, task_runner: thread}, workers: 3}"
    )
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    assert (load_params(path).flow.workers, load_params(path).flow.retries) == (3, 2)


@pytest.mark.parametrize(("text", "found"), [("- a\n", "list"), ("", "NoneType"), ("task\n", "str")])
def test_a_file_that_is_no_mapping(tmp_path, text, found):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=f"expected a mapping of sections, found {found}"):
        load_params(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: expected a params file, found nothing; 'rootstock init NAME' writes one"):
        load_params(tmp_path / "params.yaml")


def test_a_folder_is_told_from_nothing(tmp_path):
    with pytest.raises(ParamsError, match="expected a params file, found a folder"):
        load_params(tmp_path)


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"task: caf\xe9\n")
    with pytest.raises(InputError, match="expected UTF-8 text, found byte 0xe9 at line 1"):
        load_params(path)


def test_the_hash_is_of_the_named_sections_alone(load):
    before, after = load(), load(lambda raw: raw["flow"].update(retries=7))
    assert before.sha256(("seed", "data")) == after.sha256(("seed", "data"))
    assert before.sha256(("flow",)) != after.sha256(("flow",))


def test_the_parameters_of_parts_are_in_the_hash(load):
    changed = load(lambda raw: raw["finetuning"]["methods"][1].update(rank=3))
    assert load().sha256(("finetuning",)) != changed.sha256(("finetuning",))
