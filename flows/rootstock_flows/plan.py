"""What a run would take, before it is paid for: nothing that costs is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from rootstock.data import registry
from rootstock.params import Params
from rootstock.part import FineTuneMethod
from rootstock.records import Incumbent, PreparedData, Record, Resolution, TrainedModel, TunedBackbone, Value
from rootstock.rows import read_split
from rootstock.stages import STAGES, find_stage, load_intact, run_key, run_stage, stage_folder, stage_key

from rootstock_flows.document import RUN_FILE
from rootstock_flows.embeddings import embedding_mark
from rootstock_flows.ranking_table import aligned
from rootstock_flows.rates import TYPICAL, Measured, from_runs, from_sample, measure_forward, measured_runs
from rootstock_flows.workload import (
    Forward,
    Sizes,
    candidates_of,
    methods_of,
    rounds_at_most,
    rule_of,
    search_passes,
    sizes_from_cards,
    sizes_of,
    tuned_rows_at_most,
    work_of,
)

#: Stages that only look something up: they are run for the plan too, for what they find decides what is kept.
LOOK_UPS = ("resolve", "incumbent", "history", "looks")
#: Of these, what a run that finds nothing changed does without.
AFTER_THE_LOOKING = ("history", "looks")
#: Stages that are planned as what they consist of: ``reload`` asks the model as it ships, in a process of its own.
PARTS = {"rank": ("embed", "score"), "evaluate": ("measure", "reload")}
STAGE_OF = {part: stage for stage, parts in PARTS.items() for part in parts}


class Step(Value):
    """One line of a plan."""

    stage: str
    work: int
    """row passes; 1 where rows do not matter"""
    seconds: float
    cached: bool
    """its result is kept and will be reused"""
    basis: str
    """where the prediction comes from"""


class Plan(Value):
    """What a run would do now, and how long that would take."""

    steps: tuple[Step, ...]
    seconds: float
    price_per_hour: float | None
    cost: float | None
    unchanged: bool
    """the champion was made from these very inputs: a run would end after looking"""


def make_plan(params: Params, *, price_per_hour: float | None = None) -> Plan:
    """Predict the run of ``params``; ``price_per_hour`` is of the machine, in any currency.

    Raises what ``resolve`` and the registries raise for a task that could not be run at all.
    """
    kept, key = kept_records(params)
    resolution, incumbent = kept[Resolution], kept[Incumbent]
    assert isinstance(resolution, Resolution) and isinstance(incumbent, Incumbent)  # noqa: PT018
    prepared = kept.get(PreparedData)
    sizes = sizes_of(prepared) if isinstance(prepared, PreparedData) else _sizes_ahead(resolution, params)
    unchanged = incumbent.run_key == key and (Path(params.workspace) / "runs" / key[:16] / RUN_FILE).is_file()

    @cache
    def forward() -> Forward:
        return _measured_now(kept, params, resolution)

    has_budget = params.finetuning.choose == "auto" and params.finetuning.budget_minutes is not None
    known = forward() if has_budget and not unchanged and TrainedModel not in kept else None
    work = _work(kept, sizes, incumbent, params, methods=methods_of(sizes, params, forward=known))
    steps = tuple(
        _of_finetuning(step, sizes, params, forward=known) if step.stage == "finetune" and not step.cached else step
        for step in _steps(kept, work, params, forward=forward, unchanged=unchanged)
    )
    seconds = sum(step.seconds for step in steps)
    cost = None if price_per_hour is None else seconds * price_per_hour / 3600
    return Plan(steps=steps, seconds=round(seconds, 1), price_per_hour=price_per_hour, cost=cost, unchanged=unchanged)


def kept_records(params: Params) -> tuple[dict[type[Record], Record], str]:
    """Records that the next run would find kept, and the run's key. What follows a record that is not kept counts as not kept."""
    found: dict[type[Record], Record] = {}
    key = "plan"
    for stage in STAGES:
        if not set(stage.inputs) <= set(found) or stage.name == "register":
            continue
        folder = stage_folder(stage, stage_key(stage, found, params), params.workspace)
        if stage.name in LOOK_UPS:
            found[stage.output] = run_stage(stage, found, params=params, folder=folder, run_key=key)
            if stage.name == "resolve":
                key = run_key(found[stage.output], params)
        elif (record := load_intact(stage, folder)[0]) is not None:
            found[stage.output] = record
    return found, key


def _sizes_ahead(resolution: Resolution, params: Params) -> Sizes:
    place = Path(resolution.registry)
    sources = {source.dataset: registry.read_card(place, source) for source in resolution.sources}
    return sizes_from_cards(registry.read_card(place, resolution.target), sources, params.data)


def _work(
    kept: Mapping[type[Record], Record],
    sizes: Sizes,
    incumbent: Incumbent,
    params: Params,
    *,
    methods: Sequence[FineTuneMethod],
) -> dict[str, int]:
    """What is to be done at most, as far as it is not decided yet what will be learned from."""
    versions = (incumbent.model is not None) + len(incumbent.earlier)
    tuned = kept.get(TunedBackbone)
    work = work_of(
        sizes,
        params,
        candidates=candidates_of(sizes, params, versions=versions),
        tuned_rows=tuned.rows if isinstance(tuned, TunedBackbone) else tuned_rows_at_most(sizes, params),
        rounds=rounds_at_most(sizes, params),
        methods=methods,
        has_champion=incumbent.model is not None,
    )
    prepared = kept.get(PreparedData)
    if isinstance(prepared, PreparedData):
        work["embed"] = _rows_to_embed(prepared, params)
    return work


def _rows_to_embed(prepared: PreparedData, params: Params) -> int:
    files = [dataset.splits["train"] for dataset in (prepared.target, *prepared.sources)]
    names = (params.backbone.name, *params.backbone.alternatives)
    return sum(file.rows for name in names for file in files if not embedding_mark(name, file.sha256, params).is_file())


def _steps(
    kept: Mapping[type[Record], Record],
    work: dict[str, int],
    params: Params,
    *,
    forward: Callable[[], Forward],
    unchanged: bool,
) -> tuple[Step, ...]:
    past = measured_runs(params.workspace)
    names = [part for stage in STAGES for part in PARTS.get(stage.name, (stage.name,)) if part != "reload" or work[part]]
    cached = {name for name in names if _is_cached(name, kept, work, unchanged=unchanged)}
    unmeasured = [name for name in names if name not in cached and name not in past]
    sample = 1 / forward().rows_per_second if any(name not in LOOK_UPS for name in unmeasured) else 0.0
    return tuple(
        Step(stage=name, work=work[name], seconds=0.0, cached=True, basis="kept")
        if name in cached
        else _step(name, work[name], past.get(name, ()), sample)
        for name in names
    )


def _is_cached(name: str, kept: Mapping[type[Record], Record], work: Mapping[str, int], *, unchanged: bool) -> bool:
    if name in LOOK_UPS:
        return unchanged and name in AFTER_THE_LOOKING
    if name == "embed" and work["embed"] == 0:
        return True
    return unchanged or find_stage(STAGE_OF.get(name, name)).output in kept


def _step(name: str, work: int, past: tuple[Measured, ...], sample: float) -> Step:
    if past:
        seconds, basis = from_runs(name, work, past), f"{len(past)} earlier run{'s' if len(past) > 1 else ''}"
    else:
        seconds = from_sample(name, work, sample)
        basis = "typical" if work == 1 else f"embedding {1 / sample:.0f} rows/s, measured now"
    return Step(stage=name, work=work, seconds=round(seconds, 2), cached=False, basis=basis)


def _of_finetuning(step: Step, sizes: Sizes, params: Params, *, forward: Forward | None) -> Step:
    """With what a search adds, and with what the rule makes of the budget, where there is one."""
    found = with_search(step, sizes, params, methods=methods_of(sizes, params, forward=forward))
    chosen = rule_of(sizes, params, forward=forward) if forward else None
    return found.model_copy(update={"basis": f"{found.basis}; {chosen.reason}"}) if chosen else found


def with_search(step: Step, sizes: Sizes, params: Params, *, methods: Sequence[FineTuneMethod] | None = None) -> Step:
    """The step of fine-tuning with the time that a search of learning rates adds: all its trials, or all its minutes."""
    search, passes = params.finetuning.search, search_passes(sizes, params, methods=methods)
    if search is None or passes is None:
        return step
    each = max(0.0, step.seconds - TYPICAL["finetune"].fixed) / step.work
    seconds = step.seconds + min(60 * search.minutes, passes.trials * each) + passes.afterwards * each
    basis = f"{step.basis}; a search of at most {search.minutes:g} minutes"
    return step.model_copy(update={"seconds": round(seconds, 2), "work": step.work + passes.afterwards, "basis": basis})


def _measured_now(kept: Mapping[type[Record], Record], params: Params, resolution: Resolution) -> Forward:
    prepared = kept.get(PreparedData)
    if isinstance(prepared, PreparedData):
        rows = read_split(prepared.target, "train")
    else:
        rows = registry.read_rows(Path(resolution.registry), resolution.target)
    return measure_forward(list(rows["input"]), params)


def plan_text(plan: Plan) -> str:
    """The plan as a table with its sum."""
    rows: list[dict[str, object]] = [
        {
            "stage": f"{STAGE_OF[step.stage]}: {step.stage}" if step.stage in STAGE_OF else step.stage,
            "row passes": "" if step.work == 1 else f"{step.work:,}",
            "seconds": "" if step.cached else f"{step.seconds:.1f}",
            "kept": "yes" if step.cached else "no",
            "basis": step.basis,
        }
        for step in plan.steps
    ]
    cost = "" if plan.cost is None else f", cost {plan.cost:.4f} at {plan.price_per_hour:g} an hour"
    end = "\nnothing changed since the champion was made: a run would end after looking" if plan.unchanged else ""
    return "\n".join([*aligned(rows), "", f"about {_duration(plan.seconds)}{cost}, and the start of Prefect's server{end}"])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
