"""The model card of a registered version, in the format of the Hugging Face hub: front matter for machines, Markdown for people.

M. Mitchell et al., "Model cards for model reporting", FAT* 2019, for what it has to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rootstock.files import write_text
from rootstock.records import Artifact, EvalReport, PreparedData, TrainedModel, sources_of
from rootstock.report import card_sections as sections
from rootstock.report.markdown import cell
from rootstock.report.run_records import RunRecords
from rootstock.report.wording import spread

CARD_FOLDER = "model_card"
CARD_FILE = "README.md"
#: What the hub calls the task.
HUB_TASKS = {"text": "text-classification", "image": "image-classification"}


def write_model_card(run: RunRecords, *, task: str, folder: Path) -> Artifact:
    """Write ``README.md`` into ``folder``, beside the model and not in it: the model's hash stays as it was judged.

    Raises ValueError for a run that ended before anything was registered.
    """
    path = folder / CARD_FILE
    write_text(path, model_card(run, task=task))
    return Artifact.of(path)


def model_card(run: RunRecords, *, task: str) -> str:
    """The card's text."""
    registration, trained, report, prepared = run.registration, run.trained, run.evaluation, run.prepared
    if registration is None or registration.version is None or trained is None or report is None or prepared is None:
        raise ValueError("a model card needs a registered version and the records of its run")
    name = f"{registration.model} version {registration.version}"
    said = (
        f"# {cell(name)}",
        sections.introduction(task, report, prepared),
        sections.intended_use(report),
        sections.data(run, prepared),
        sections.training(run, trained),
        sections.results(run, report),
        sections.slices(report),
        sections.gates(run),
        sections.limits(run, report, prepared),
        sections.cost(run, report, trained),
        sections.provenance(run, trained),
    )
    return f"---\n{_front_matter(run, report, trained, prepared, name)}\n---\n\n" + "\n\n".join(said) + "\n"


def _front_matter(run: RunRecords, report: EvalReport, trained: TrainedModel, prepared: PreparedData, name: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    hub_task = HUB_TASKS.get(prepared.target.modality, "other")
    licences = {licence for _, licence in _licences(run, trained, prepared)}
    (only,) = licences if len(licences) == 1 else (None,)
    results = [
        EvalResult(
            task_type=hub_task,
            dataset_type=report.dataset,
            dataset_name=report.dataset,
            dataset_split="test" if report.rows == "held_out" else "train, out of fold",
            dataset_revision=report.revision,
            metric_type=measure_name,
            metric_name=f"{measure_name} ({spread(measure)}, n = {measure.n})",
            metric_value=measure.value,
        )
        for measure_name, measure in report.measures.items()
    ]
    card = ModelCardData(
        license=only.lower() if only is not None else "other",
        license_name=None if only is not None else "see-data-and-licences",
        library_name="transformers",
        pipeline_tag=hub_task,
        base_model=run.tuned.backbone if run.tuned is not None else None,
        datasets=list(dict.fromkeys([report.dataset, *_learned_from(trained, prepared)])),
        metrics=list(report.measures),
        tags=["rootstock", "transfer-learning", trained.method],
        model_name=name,
        eval_results=results,
    )
    return card.to_yaml().strip()


def _learned_from(trained: TrainedModel, prepared: PreparedData) -> list[str]:
    return [source.name for source in prepared.sources if source.name in sources_of(trained.source)]


def _licences(run: RunRecords, trained: TrainedModel, prepared: PreparedData) -> Iterator[tuple[str, str | None]]:
    """Licences of all that the weights come from."""
    yield "backbone", run.backbone_licence
    yield prepared.target.name, prepared.target.licence
    for source in prepared.sources:
        if source.name in sources_of(trained.source):
            yield source.name, source.licence
