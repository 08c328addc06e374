"""The champion's reference: rows of its own target, as it sees them, with which later windows are compared.

Never rows it learned from. A model is surer of its training rows than of any others, so that a comparison with them finds
"drift" of confidence in perfectly ordinary input. Test rows are a random part of the target and no label of theirs is used here.
Unused rows fill up what is missing, in the class proportions of the half they were left over from: drawing training rows class by
class leaves fewer of the rare classes. Of rows that hang together one is taken, of groups that were learned from none as long as
there are others.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.files import new_folder, sha256_of_json
from rootstock.groups import one_row_of_each
from rootstock.monitoring.scored_rows import scored_rows
from rootstock.records import GROUP, load_json
from rootstock.rows import read_split

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.classifier import Classifier
    from rootstock.params import MonitoringParams
    from rootstock.records import Dataset

KEY_FILE = "reference.json"
ROWS_FILE = "rows.parquet"
FEWEST_ROWS = 10


def champion_reference(
    load: Callable[[], Classifier], target: Dataset, *, version: str, monitoring: MonitoringParams, seed: int, folder: Path
) -> pd.DataFrame:
    """Scored rows (see scored_rows.py) of the target that ``version`` was built on; kept in ``folder`` and used again.

    ``load`` is called only when nothing fitting is kept. Raises DataError if fewer than 10 rows are neither trained on nor lost.
    """
    splits = {name: rows.sha256 for name, rows in target.splits.items()}
    grouped = ["one row a group"] if target.groups else []
    key = sha256_of_json([version, splits, monitoring.reference_rows, seed, *grouped])
    kept = _kept(folder, key)
    if kept is not None:
        return kept
    rows = reference_rows(target, rows=monitoring.reference_rows, seed=seed)
    classifier = load()
    inputs = list(rows["input"])
    scored = scored_rows([str(value) for value in rows["id"]], inputs, classifier.labels, classifier.predict(inputs))
    with new_folder(folder) as temporary:
        scored.to_parquet(temporary / ROWS_FILE, index=False)
        (temporary / KEY_FILE).write_text(json.dumps({"key": key, "version": version}) + "\n", encoding="utf-8")
    return scored


def _kept(folder: Path, key: str) -> pd.DataFrame | None:
    """The reference made under ``key``; None where there is another one, none, or a damaged one, which is made again."""
    import pandas as pd

    with contextlib.suppress(DataError, OSError, ValueError):
        if load_json(folder / KEY_FILE).get("key") == key:
            return pd.read_parquet(folder / ROWS_FILE)
    return None


def reference_rows(target: Dataset, *, rows: int, seed: int) -> pd.DataFrame:
    """At most ``rows`` rows (``id``, ``input``) that the model did not learn from: test rows, then unused ones."""
    import pandas as pd

    trained = read_split(target, "train")[["label", GROUP]] if target.groups else None
    known = set(trained[GROUP]) if trained is not None else set()
    parts = [_sample(_one_a_group(read_split(target, "test"), known), rows, seed)] if "test" in target.splits else []
    missing = rows - sum(map(len, parts))
    if missing > 0 and "unused" in target.splits:
        unused, tested = read_split(target, "unused"), {group for part in parts for group in part.get(GROUP, ())}
        unlearned = _one_a_group(unused, known | tested)
        found = sum(map(len, parts)) + len(unlearned)
        unused = unlearned if found >= FEWEST_ROWS else _one_a_group(unused, tested)  # at least no row that was learned from
        counts = target.class_counts.get("train", {}) if trained is None else _counts(_one_a_group(trained, set()))
        parts.append(_in_proportion(unused, counts, missing, seed))
    found = sum(map(len, parts))
    if found < FEWEST_ROWS:
        raise DataError(
            f"reference of {target.name}: expected at least {FEWEST_ROWS} rows{' of different groups' if known else ''} that were "
            f"not trained on, found {found}; "
            "raise data.test_fraction, or add rows (without labels, in a split of another name, will do), and train again"
        )
    return pd.concat(parts, ignore_index=True)[["id", "input"]]


def _one_a_group(rows: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """One row of each group that is not ``known``; all where rows have no groups."""
    if GROUP not in rows:
        return rows
    free = rows[~rows[GROUP].isin(known)]
    return free.iloc[one_row_of_each(list(free[GROUP]))]


def _sample(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return rows.sample(n=most, random_state=seed) if len(rows) > most else rows


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {str(label): int(count) for label, count in rows["label"].value_counts().items()}


def _in_proportion(unused: pd.DataFrame, trained: dict[str, int], most: int, seed: int) -> pd.DataFrame:
    """Unused rows whose classes stand as in unused and trained rows together; none if a class is used up.

    Unlabelled rows were never picked by class: all of them may serve.
    """
    import pandas as pd

    is_labelled = unused["label"].fillna("") != ""
    free = _sample(unused[~is_labelled], most, seed)
    labelled = unused[is_labelled]
    left = _counts(labelled)
    whole = {label: left.get(label, 0) + trained.get(label, 0) for label in sorted({*left, *trained})}
    total = sum(whole.values())
    wanted = most - len(free)
    if not total or wanted <= 0:
        return free
    size = min([wanted, *(left.get(label, 0) * total // count for label, count in whole.items() if count)])
    picked = [
        labelled[labelled["label"] == label].sample(n=min(size * count // total, left[label]), random_state=seed)
        for label, count in whole.items()
        if left.get(label, 0)
    ]
    return pd.concat([free, *picked], ignore_index=True)
