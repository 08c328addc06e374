"""The last stage of a run: put the model into the registry, or write down why not."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.errors import Refusal
from rootstock.files import sha256_of
from rootstock.params import (
    BackboneParams,
    DataParams,
    EvaluationParams,
    FineTuningParams,
    GatesParams,
    RegistrationParams,
    SimilarityParams,
)
from rootstock.records import (
    EvalReport,
    GateVerdict,
    Incumbent,
    PreparedData,
    Registration,
    Selection,
    SourceRanking,
    TrainedModel,
)
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.history import gain_points, outcome_of, outcome_tags
from rootstock.registration.mlflow_registry import KEY_TAG, SHA256_TAG, Version
from rootstock.registration.model_folder import check_round_trip, package_model, predict_with_classifier
from rootstock.registration.promotion import CHALLENGER, CHAMPION, Alias, Placement, place
from rootstock.registration.run_contents import RunContents, flat, lineage, metric_points, tag_text
from rootstock.registration.versions import make_champion

#: Set after all else: the aliases of this version were placed, and are the business of people from then on.
PLACED_TAG = "rootstock.placed_as"
PREVIOUS_TAG = "rootstock.champion_before"
REASON_TAG = "rootstock.reason"


@dataclass(frozen=True)
class _Attempt:
    """One call: where it writes, and what it was given."""

    client: Any
    registration: RegistrationParams
    run_key: str
    experiment_id: str
    run_id: str


def register(
    trained: TrainedModel,
    report: EvalReport,
    verdict: GateVerdict,
    incumbent: Incumbent,
    ranking: SourceRanking,
    selection: Selection,
    prepared: PreparedData,
    *,
    task: str,
    seed: int,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    finetuning: FineTuningParams,
    evaluation: EvaluationParams,
    gates: GatesParams,
    registration: RegistrationParams,
    workspace: str,
    run_key: str,
    folder: Path,
) -> Registration:
    """Log the run, register the model, place its alias.

    ``run_key`` (hexadecimal) names the run's inputs. There is one MLflow run and at most one version a key: called again after
    being killed anywhere, this goes on where it was; called again after it was done, it changes nothing, so a replay never undoes
    a rollback. A refused model is not registered, its run says why. Where something was transferred onto
    the first backbone, the run keeps its Outcome for the rankings to come. The rule for aliases is ``promotion.place``.

    Raises Refusal if the saved model, loaded again, does not give the probabilities it was judged by, ServiceError if MLflow fails.
    """
    sections = {
        "task": task, "seed": seed, "data": data, "backbone": backbone, "similarity": similarity,
        "finetuning": finetuning, "evaluation": evaluation, "gates": gates, "registration": registration,
    }  # fmt: skip
    client = registry.tracking(workspace)
    experiment_id = registry.find_experiment(client, registration.experiment, workspace)
    run_id = registry.start_run(client, experiment_id, name=task, run_key=run_key)
    attempt = _Attempt(client, registration, run_key, experiment_id, run_id)
    found = registry.find_versions(client, registration.model, run_key)
    if found and PLACED_TAG in found[0].tags:
        return _as_it_was(attempt, found[0])
    outcome = outcome_of(trained, report, ranking, selection, prepared, task=task)
    gain = gain_points(outcome, ranking, selection) if outcome is not None else ()
    contents = RunContents(
        params=flat(sections),
        points=(*metric_points(report, trained.curves), *gain),
        lineage=lineage(prepared, selection, data.registry),
        tags=_run_tags(task, trained, verdict, incumbent) | outcome_tags(outcome),
        records={
            "trained_model": trained, "evaluation": report, "verdict": verdict, "incumbent": incumbent,
            "ranking": ranking, "selection": selection, "prepared_data": prepared,
            **({"outcome": outcome} if outcome is not None else {}),
        },
    )  # fmt: skip
    registry.log_run(client, run_id, contents)
    if verdict.verdict == "fail":
        registry.end_run(client, run_id, done=True)
        return _result(attempt, None, Placement(None, verdict.reason), incumbent.version)
    model = package_model(trained, report, prepared, folder / "model")
    tags = _version_tags(trained, prepared, verdict)
    version = found[0].version if found else _new_version(attempt, model, report, prepared, tags)
    placement = _place(attempt, version, verdict, incumbent)
    registry.end_run(client, run_id, done=True)
    done = {REASON_TAG: placement.reason, PREVIOUS_TAG: tag_text(incumbent.version), PLACED_TAG: tag_text(placement.alias)}
    registry.tag_version(client, registration.model, version, done)
    return _result(attempt, version, placement, incumbent.version)


def _new_version(attempt: _Attempt, model: Path, report: EvalReport, prepared: PreparedData, tags: dict[str, str]) -> str:
    """Upload, download again, compare, and only then register."""
    name = attempt.registration.model
    model_id = registry.upload_model(
        attempt.client, model, experiment_id=attempt.experiment_id, run_id=attempt.run_id, name=name, run_key=attempt.run_key
    )
    returned = registry.fetch_model(f"models:/{model_id}", model.with_name("returned"))
    try:
        check_round_trip(returned, report, prepared, predict=predict_with_classifier)
        tags = {KEY_TAG: attempt.run_key, SHA256_TAG: sha256_of(returned), **tags}
    except Refusal:
        registry.discard_model(attempt.client, model_id)
        registry.end_run(attempt.client, attempt.run_id, done=False)
        raise
    finally:
        shutil.rmtree(returned, ignore_errors=True)
    return registry.create_version(attempt.client, name, model_id=model_id, run_id=attempt.run_id, tags=tags)


def _place(attempt: _Attempt, version: str, verdict: GateVerdict, incumbent: Incumbent) -> Placement:
    client, model = attempt.client, attempt.registration.model
    champion = registry.find_aliases(client, model).get(CHAMPION)
    placement = place(verdict, version=version, judged_against=incumbent.version, champion=champion)
    if placement.alias == CHAMPION:
        make_champion(client, model, version, before=incumbent.version)
    elif placement.alias == CHALLENGER:
        registry.set_alias(client, model, CHALLENGER, version)
    return placement


def _result(attempt: _Attempt, version: str | None, placement: Placement, previous: str | None) -> Registration:
    model = attempt.registration.model
    return Registration(
        model=model,
        version=version,
        alias=placement.alias,
        run_id=attempt.run_id,
        uri=None if version is None else f"models:/{model}/{version}",
        previous=previous,
        reason=placement.reason,
    )


def _as_it_was(attempt: _Attempt, version: Version) -> Registration:
    """The answer given when this version was placed."""
    alias, previous = version.tags[PLACED_TAG], version.tags[PREVIOUS_TAG]
    known: dict[str, Alias] = {CHAMPION: CHAMPION, CHALLENGER: CHALLENGER}
    placement = Placement(known.get(alias), version.tags[REASON_TAG])
    return _result(attempt, version.version, placement, None if previous == "none" else previous)


def _run_tags(task: str, trained: TrainedModel, verdict: GateVerdict, incumbent: Incumbent) -> dict[str, str]:
    return {
        "rootstock.task": task,
        "rootstock.verdict": verdict.verdict,
        REASON_TAG: tag_text(verdict.reason),
        "rootstock.source": tag_text(trained.source),
        "rootstock.method": tag_text(trained.method),
        PREVIOUS_TAG: tag_text(incumbent.version),
        "mlflow.note.content": tag_text(f"**{verdict.verdict}**: {verdict.reason}"),
    }


def _version_tags(trained: TrainedModel, prepared: PreparedData, verdict: GateVerdict) -> dict[str, str]:
    return {
        "rootstock.verdict": verdict.verdict,
        "rootstock.source": tag_text(trained.source),
        "rootstock.method": tag_text(trained.method),
        "rootstock.data_revision": prepared.target.revision.revision,
    }
