"""From rows without a label to a file that people fill in, and from there to the next version of the target."""

from __future__ import annotations

import contextlib
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data import registry
from rootstock.data.add_labels import AddedLabels, add_labels
from rootstock.data.card import make_card
from rootstock.data.prepare import check_modality, split_target
from rootstock.data.rows import content_ids, input_key
from rootstock.data.split import TEST
from rootstock.errors import DataError, ParamsError
from rootstock.files import storage_errors, write_file
from rootstock.groups import group_names
from rootstock.labelling.choose_rows import ChosenRows, check_pool, choose_rows, different_rows, kept_for_chance, sheet_of
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.part import Pool
from rootstock.pictures import ending_of
from rootstock.records import GROUP, KEPT, kept_columns
from rootstock.table import as_text, image_in, is_missing, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from rootstock.classifier import Prediction
    from rootstock.params import DataParams, Params
    from rootstock.records import DatasetRevision

#: How often a sheet's labels are added to the newest rows before others who add versions meanwhile are too many.
ATTEMPTS = 5


def rows_without_label(params: Params, batch: str | None) -> pd.DataFrame:
    """Columns ``id``, ``input``, ``is_tested`` and ``keep:COLUMN`` of rows that could be labelled, each input once.

    They are the target's own rows without a label and all that the model was asked; with ``batch`` only what it was asked under
    that name. Inputs that have a label in the newest version of the target are left out. ``is_tested`` says of which the group is
    tested on: chosen to learn from, they would be left unused.
    """
    import pandas as pd

    revision, frame = _newest(params)
    logged = PredictionLog.of(params.workspace, params.registration.model).read_asked(batch)
    own = frame[frame["label"] == ""] if batch is None else frame[:0]
    kept = kept_columns(frame)
    found = (
        pd.concat([own, logged.assign(id=content_ids(logged["input"]))], ignore_index=True)
        .reindex(columns=["id", "input", *kept])
        .fillna(dict.fromkeys(kept, ""))
    )
    rows = found.assign(is_tested=_is_tested(found, params, revision))
    labelled = frozenset(map(input_key, frame.loc[frame["label"] != "", "input"]))
    return rows.iloc[different_rows([input_key(value) for value in rows["input"]], labelled=labelled)].reset_index(drop=True)


def _is_tested(rows: pd.DataFrame, params: Params, revision: DatasetRevision) -> NDArray[np.bool_]:
    """(n,) rows of groups that are tested on; none where rows have no groups."""
    import numpy as np

    column = params.data.columns.group
    if column is None:
        return np.zeros(len(rows), dtype=bool)
    known, splits = split_target(Path(params.data.registry), revision, data=params.data, seed=params.seed)
    tested = set(known[GROUP][[split == TEST for split in splits]])
    groups = group_names(rows[f"{KEPT}{column}"].tolist(), rows["id"].tolist())
    return np.array([group in tested for group in groups], dtype=bool)


def ask_for_labels(
    params: Params,
    sheet: Path,
    *,
    rows: int,
    sample: int,
    batch: str | None,
    predict: Callable[[Sequence[Any]], Prediction],
) -> ChosenRows:
    """Choose rows and write the sheet; images are written beside it, into a folder of its name, and the sheet says where.

    Raises DataError if there are too few rows, such a folder already, or a sheet that holds labels; ParamsError where no rows are
    held out to test on: out of fold every labelled row is tested on, and chosen ones are harder than others.
    """
    if params.evaluation.rows == "out_of_fold":
        raise ParamsError(
            "evaluation.rows: expected held_out where a model chooses rows to label, found out_of_fold, which would test on them; "
            "hold rows out with data.test_fraction, or label rows by chance and add them with 'rootstock data add'"
        )
    images = sheet.with_suffix("") if params.data.modality.name == "image" else None
    if images is not None and images.exists():
        raise DataError(f"{images}: expected no such folder, as images are written there; name another sheet, or move it away")
    if filled_in := _filled_in(sheet):
        raise DataError(
            f"{sheet}: expected no labels of people where a sheet is written, found {filled_in}; take them with "
            "'rootstock label add', then name another sheet, or move this one away"
        )
    found = rows_without_label(params, batch)
    kept = kept_for_chance([input_key(value) for value in found["input"]]) | found["is_tested"].to_numpy(dtype=bool)
    check_pool(kept, rows=rows, sample=sample)
    said = predict(list(found["input"]))
    choice, record = choose_rows(
        Pool(said.probabilities, said.embeddings), params.labelling.strategy, kept=kept, rows=rows, sample=sample, seed=params.seed
    )
    filled = sheet_of(found, choice)
    if images is not None:
        named = zip(content_ids(filled["input"]), filled["input"], strict=True)
        names = [f"{images.name}/{name}{ending_of(content)}" for name, content in named]
        _write_images(images, dict(zip(names, filled["input"], strict=True)))
        filled = filled.assign(input=names)
    write_table(filled, sheet)
    return record


def _filled_in(sheet: Path) -> int:
    """Labels in the file that stands there already; 0 where none does."""
    table = read_table(sheet) if sheet.is_file() else None
    return 0 if table is None or "label" not in table.columns else sum(bool(as_text(label)) for label in table["label"])


def take_labels(params: Params, sheet: Path, *, new_labels: bool) -> tuple[DatasetRevision, AddedLabels]:
    """Add a version of the target with the labels of a filled sheet, and with all that others add meanwhile.

    Raises DataError naming the first row that is wrong, BusyError where others add again and again.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(registry.NewestMoved):
            return _take_labels(params, sheet, new_labels=new_labels)
    return _take_labels(params, sheet, new_labels=new_labels)


def _take_labels(params: Params, sheet: Path, *, new_labels: bool) -> tuple[DatasetRevision, AddedLabels]:
    """Raises NewestMoved if there is a newer version than the one that the labels were added to."""
    revision, frame = _newest(params)
    table = read_table(sheet)
    image = partial(_image, folder=sheet.parent, most_pixels=params.data.max_pixels)
    read = image if params.data.modality.name == "image" else partial(_text_of, data=params.data)
    changed, added = add_labels(frame, table, where=sheet, read_input=read, new_labels=new_labels)
    if not added.labelled and not added.added:
        return revision, added
    path, old = Path(params.data.registry), registry.read_card(Path(params.data.registry), revision)
    fresh = make_card(
        changed, modality=old["modality"], origin=f"{revision.revision} and {sheet.name}", columns=old.get("columns"),
        licence=old.get("licence"),
    )  # fmt: skip
    return registry.add(path, params.data.target, changed, card=fresh, after=revision), added


def _newest(params: Params) -> tuple[DatasetRevision, pd.DataFrame]:
    path = Path(params.data.registry)
    revision = registry.resolve(path, params.data.target, registry.LATEST)
    check_modality(registry.read_card(path, revision), revision, params.data)
    return revision, registry.read_rows(path, revision)


def _write_images(folder: Path, images: dict[str, bytes]) -> None:
    """All of them, or no folder."""
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True)
            for name, content in images.items():
                write_file(folder.parent / name, lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _image(cell: Any, place: str, *, folder: Path, most_pixels: int | None) -> bytes:
    path = folder / str(cell)
    try:
        return image_in(path, most_pixels=most_pixels)
    except ValueError as error:
        said = f"{place}: expected an image at {path}, found none that can be read ({error}); put it back where it was"
        raise DataError(said) from error


def _text_of(cell: Any, place: str, *, data: DataParams) -> str:
    if not isinstance(cell, str) or is_missing(cell):
        raise DataError(f"{place}: expected a text in column 'input', as its id is not in the dataset, found none; fill it in")
    if len(cell) > data.max_characters:
        raise DataError(
            f"{place}: expected at most {data.max_characters} characters (data.max_characters), found {len(cell)}; shorten it"
        )
    return cell
