"""The last stage of a run: put the model into the registry, or write down why not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rootstock import journal
from rootstock.errors import Refusal
from rootstock.files import sha256_of
from rootstock.params import Params, RegistrationParams
from rootstock.records import (
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    PreparedData,
    Registration,
    Selection,
    SourceRanking,
    TrainedModel,
)
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.aliases import MODEL_FACT
from rootstock.registration.approval import PROMOTION, WAITING
from rootstock.registration.chain import mirror_head
from rootstock.registration.decision import DECISION, decision_facts
from rootstock.registration.history import gain_points, outcome_of, outcome_tags
from rootstock.registration.mlflow_registry import KEY_TAG, SHA256_TAG, Version
from rootstock.registration.model_folder import check_round_trip, package_model, predict_with_classifier
from rootstock.registration.promotion import (
    CHALLENGER,
    CHAMPION,
    REBASELINE_TAG,
    VERDICT_TAG,
    Alias,
    Placement,
    hold_for_approval,
    only_champion_missing,
    place,
)
from rootstock.registration.reconcile import reconcile
from rootstock.registration.run_contents import RunContents, flat, lineage, metric_points, tag_text
from rootstock.registration.turn import turn

#: Set after all else: the aliases of this version were placed, and are the business of people from then on.
PLACED_TAG = "rootstock.placed_as"
PREVIOUS_TAG = "rootstock.champion_before"
REASON_TAG = "rootstock.reason"
#: Kind of the journal's entries that give a version the alias ``challenger``.
CHALLENGE = "challenger"
#: What PLACED_TAG says of a version that waits for approval.
WAITS = "waiting"
#: Sections of the params that are kept with the run.
LOGGED_SECTIONS = (
    "task", "seed", "data", "backbone", "similarity", "finetuning", "evaluation", "gates", "registration",
)  # fmt: skip


@dataclass(frozen=True)
class _Attempt:
    """One call: where it writes, and what it was given."""

    client: Any
    registration: RegistrationParams
    workspace: str
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
    history: History,
    *,
    params: Params,
    trigger: str,
    run_key: str,
    folder: Path,
) -> Registration:
    """Log the run, register the model, write the decision into the journal, place the alias.

    ``run_key`` (hexadecimal) names the run's inputs, ``trigger`` what set it off. There is one MLflow run, at most one version and
    one ``decision`` entry a key: called again after being killed anywhere, this goes on where it was; called again after it was
    done, it changes nothing, so a replay never undoes a rollback. A refused model is not registered; its run and the journal say
    why. With ``registration.approval: manual`` a model that passed is registered and waits. Where something was transferred onto
    the first backbone, the run keeps its Outcome for the rankings to come. The rules for aliases are in ``promotion``.

    Raises Refusal if the saved model, loaded again, does not give the probabilities it was judged by, ServiceError if MLflow fails,
    BusyError if another command holds the lease too long.
    """
    registration, workspace = params.registration, params.workspace
    client = registry.tracking(workspace)
    experiment_id = registry.find_experiment(client, registration.experiment, workspace)
    run_id = registry.start_run(client, experiment_id, name=params.task, run_key=run_key)
    attempt = _Attempt(client, registration, workspace, run_key, experiment_id, run_id)
    found = registry.find_versions(client, registration.model, run_key)
    if found and PLACED_TAG in found[0].tags:
        return _as_it_was(attempt, found[0])
    outcome = outcome_of(trained, report, ranking, selection, prepared, task=params.task)
    gain = gain_points(outcome, ranking, selection) if outcome is not None else ()
    contents = RunContents(
        params=flat({name: getattr(params, name) for name in LOGGED_SECTIONS}),
        points=(*metric_points(report, trained.curves), *gain),
        lineage=lineage(prepared, selection, params.data.registry),
        tags=_run_tags(params.task, trained, verdict, incumbent) | outcome_tags(outcome),
        records={
            "trained_model": trained, "evaluation": report, "verdict": verdict, "incumbent": incumbent,
            "ranking": ranking, "selection": selection, "prepared_data": prepared, "history": history,
            **({"outcome": outcome} if outcome is not None else {}),
        },
    )  # fmt: skip
    registry.log_run(client, run_id, contents)
    decide = partial(
        decision_facts, trained, report, verdict, incumbent, ranking, selection, prepared, history,
        run_key=run_key, trigger=trigger, params=params, run_id=run_id,
    )  # fmt: skip
    if verdict.verdict == "fail":
        _write_decision(attempt, verdict, decide(version=None, model_sha256=None))
        registry.end_run(client, run_id, done=True)
        return _result(attempt, None, Placement(None, verdict.reason), incumbent.version)
    model = package_model(trained, report, prepared, folder / "model")
    tags = _version_tags(trained, prepared, verdict, report)
    version = found[0].version if found else _new_version(attempt, model, report, prepared, tags)
    _write_decision(attempt, verdict, decide(version=version, model_sha256=sha256_of(model)))
    reconcile(registration=registration, workspace=workspace)
    placement = _placed_before(attempt, version) or _place(attempt, version, verdict, incumbent)
    registry.end_run(client, run_id, done=True)
    placed_as = WAITS if placement.waits else tag_text(placement.alias)
    done = {REASON_TAG: placement.reason, PREVIOUS_TAG: tag_text(incumbent.version), PLACED_TAG: placed_as}
    registry.tag_version(client, registration.model, version, done)
    return _result(attempt, version, placement, incumbent.version)


def _write_decision(attempt: _Attempt, verdict: GateVerdict, facts: Mapping[str, Any]) -> None:
    """Append the entry, unless the journal has this run's already with this verdict.

    The same inputs are judged otherwise only where the year's looks were spent then and are not now; that is a decision of its own.
    """
    while True:
        seen = journal.head(attempt.workspace)
        ours = (e for e in journal.newest_first(attempt.workspace) if e.kind == DECISION and e.facts["run_key"] == attempt.run_key)
        last = next(ours, None)
        if last is not None and last.facts["verdict"] == verdict.verdict:
            break
        try:
            journal.append(attempt.workspace, DECISION, facts, after=seen)
            break
        except journal.HeadMoved:
            continue
    mirror_head(attempt.client, attempt.registration.model, attempt.workspace)


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


def _placed_before(attempt: _Attempt, version: str) -> Placement | None:
    """Where an attempt that was killed has placed the version; people may have moved it since, which is not to be undone."""
    for entry in journal.newest_first(attempt.workspace):
        if entry.facts.get("run_key") == attempt.run_key and entry.facts.get("version") == version and "placed_as" in entry.facts:
            return Placement(entry.facts["placed_as"], entry.facts["reason"], waits=entry.kind == WAITING)
    return None


def _place(attempt: _Attempt, version: str, verdict: GateVerdict, incumbent: Incumbent) -> Placement:
    with turn(registration=attempt.registration, workspace=attempt.workspace) as now:
        placement = place(verdict, version=version, judged_against=incumbent.version, champion=now.aliases.champion)
        if attempt.registration.approval == "manual":
            placement = hold_for_approval(placement, version=version)
        facts = {
            "version": version, "run_key": attempt.run_key, "verdict": verdict.verdict, "compared_with": incumbent.version,
            "placed_as": placement.alias, "reason": placement.reason,
        }  # fmt: skip
        if placement.alias == CHAMPION:
            now.move(PROMOTION, now.aliases.with_champion(version), facts, tags={})
        elif placement.alias == CHALLENGER:
            now.move(CHALLENGE, now.aliases.with_challenger(version), facts, tags={})
        elif placement.waits:
            journal.append(attempt.workspace, WAITING, {MODEL_FACT: attempt.registration.model, **facts}, after=None)
            mirror_head(attempt.client, attempt.registration.model, attempt.workspace)
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
        waits=placement.waits,
    )


def _as_it_was(attempt: _Attempt, version: Version) -> Registration:
    """The answer given when this version was placed."""
    alias, previous = version.tags[PLACED_TAG], version.tags[PREVIOUS_TAG]
    known: dict[str, Alias] = {CHAMPION: CHAMPION, CHALLENGER: CHALLENGER}
    placement = Placement(known.get(alias), version.tags[REASON_TAG], waits=alias == WAITS)
    return _result(attempt, version.version, placement, None if previous == "none" else previous)


def _run_tags(task: str, trained: TrainedModel, verdict: GateVerdict, incumbent: Incumbent) -> dict[str, str]:
    return {
        "rootstock.task": task,
        VERDICT_TAG: verdict.verdict,
        REASON_TAG: tag_text(verdict.reason),
        "rootstock.source": tag_text(trained.source),
        "rootstock.method": tag_text(trained.method),
        PREVIOUS_TAG: tag_text(incumbent.version),
        "mlflow.note.content": tag_text(f"**{verdict.verdict}**: {verdict.reason}"),
    }


def _version_tags(trained: TrainedModel, prepared: PreparedData, verdict: GateVerdict, report: EvalReport) -> dict[str, str]:
    hindered = only_champion_missing(verdict, report)
    return {
        VERDICT_TAG: verdict.verdict,
        "rootstock.source": tag_text(trained.source),
        "rootstock.method": tag_text(trained.method),
        "rootstock.data_revision": prepared.target.revision.revision,
        **({REBASELINE_TAG: tag_text(hindered)} if hindered is not None else {}),
    }
