"""What learning from the advisor's best sources together gains, measured as ``transfer_outcomes.py`` measures one source.

For each target and draw of labelled rows the advisor, calibrated without the target, ranks the sources on 32 labelled rows (30 for
digits); the best three that know two of its classes are joined, all their rows learned from at once; that is wider than
the advisor, which joins only sources that know the same classes. With ``--control``, for
texts: the best one alone, for as many steps. Reads the tables of
``transfer_outcomes.py`` and ``transfer_scores.py`` and the cache that these have made. What was measured is kept there, so the
script can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rankings import Cell, names_of, outcomes_of, predict, read_cells
from rootstock.files import write_file, write_text
from rootstock.head import match_classes
from rootstock.params import load_params
from rootstock.records import JOINT
from rootstock.similarity.join_sources import FEWEST_CLASSES
from rootstock_flows.environment import opt_out
from transfer_families import FAMILIES, Family, read_family
from transfer_outcomes import EPOCHS, Bench, classes_of

REPOSITORY = Path(__file__).resolve().parent.parent
#: Labelled rows that the ranking is made on, or the nearest number that a family has.
RANKED_ON = 32


def joined_sources(family: Family) -> dict[tuple[str, int], tuple[str, ...]]:
    """(target, draw) -> names of the sources to join, best first."""
    similarity = load_params(REPOSITORY / "params.yaml").similarity
    cells = read_cells(family.name, similarity.metrics)
    past = outcomes_of(cells, family.name)
    ranked = [cell for cell in cells if abs(cell.rows - RANKED_ON) == min(abs(each.rows - RANKED_ON) for each in cells)]
    said = predict(family.name, ranked, past, names_of(past), leave_out=True)
    return {
        (cell.target, cell.seed): _best(cell, said[number], family, similarity.joined_sources) for number, cell in enumerate(ranked)
    }


def _best(cell: Cell, said: Any, family: Family, count: int) -> tuple[str, ...]:
    classes = set(family.domains[cell.target].classes)
    ranked = [cell.sources[i] for i in np.argsort(-said[0])]
    return tuple([name for name in ranked if len(classes & set(family.domains[name].classes)) >= FEWEST_CLASSES][:count])


def measure(bench: Bench, target: str, sources: tuple[str, ...], *, seed: int, epochs: int = EPOCHS) -> list[dict[str, object]]:
    """Rows of the table."""
    started = time.process_time()
    lent = [bench.family.domains[name] for name in sources]
    encoder, head = bench.tune(*lent, seed=seed, epochs=epochs)
    tuning = round(time.process_time() - started, 2)
    facts = {"family": bench.family.name, "target": target, "source": JOINT.join(sources), "seed": seed}
    asked = bench.family.domains[target]
    prior = match_classes(head, classes_of(*lent), asked.classes)
    tried = bench.try_on(asked, encoder, prior=prior, seed=seed)
    return [facts | each | {"source_tuning_cpu_seconds": tuning} for each in tried]


def main() -> None:
    """Measure what is not kept yet, and write ``transfer_joined_FAMILY.csv`` of all that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="the folder given to transfer_outcomes.py")
    parser.add_argument("--control", action="store_true", help="measure the best source alone too, for as many steps")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(arguments.threads)
    cache = arguments.cache / arguments.family
    kept = cache / "joined"
    kept.mkdir(parents=True, exist_ok=True)
    bench = Bench(read_family(arguments.family, arguments.data, cache), cache)
    for (target, seed), sources in joined_sources(bench.family).items():
        wanted = {sources: EPOCHS} | ({sources[:1]: len(sources) * EPOCHS} if arguments.control else {})
        for learned, epochs in wanted.items():
            path = kept / f"{seed}-{target}-{JOINT.join(learned)}.json"
            if len(sources) > 1 and not path.is_file():
                new = measure(bench, target, learned, seed=seed, epochs=epochs)
                write_text(path, json.dumps(new))
                print(f"{path.stem}: {np.mean([row['accuracy'] for row in new]):.3f}", file=sys.stderr, flush=True)  # type: ignore[misc]
    entries: list[Any] = [entry for path in kept.glob("*.json") for entry in json.loads(path.read_text("utf-8"))]
    if not entries:
        sys.exit(f"{arguments.family}: no two sources know two classes of a target, nothing to join")
    frame = pd.DataFrame(entries).sort_values(["seed", "target", "labelled_rows", "source"])
    table = Path(__file__).with_name(f"transfer_joined_{arguments.family}.csv")
    write_file(table, lambda temporary: frame.to_csv(temporary, index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
