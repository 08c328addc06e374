"""Short tunings for successive halving: what each source looks like after a few hundred of its rows.

For every (source, rows, draw) the last layer learns so many rows of the source; then a head is cross-validated on 32 labelled rows
of each target, as the ``select`` stage does. Keeps the loss and correctness of each labelled row, so that any race can be replayed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rootstock.encoder import Encoder
from rootstock.files import write_file, write_text
from rootstock.finetuning.crossvalidate import Option, held_out_probabilities, row_losses, stratified_folds
from rootstock.finetuning.trial import PROBE
from rootstock.head import Head, match_classes
from rootstock.part import Rows, Start
from rootstock_flows.environment import opt_out
from transfer_families import DRAWS, FAMILIES, Domain, read_family
from transfer_outcomes import Bench

ROWS = (200, 400)
LABELLED = 32
REPEATS = 3
FOLDS = 4


def main() -> None:
    """Write ``transfer_trials_FAMILY.csv``; what is done is kept in the cache, so it goes on where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(1)
    path = arguments.cache / f"transfer_trials_{arguments.family}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    done = {(entry["seed"], entry["source"], entry["rows"]) for entry in map(json.loads, lines)}
    cache = arguments.cache / arguments.family
    bench = Bench(read_family(arguments.family, arguments.data, cache), cache)
    for seed in range(DRAWS):
        for source, rows in [(None, 0), *((d, n) for d in bench.family.domains.values() for n in ROWS)]:
            name = source.name if source else ""
            if (seed, name, rows) in done:
                continue
            started = time.process_time()
            encoder, head = (bench.untuned, None) if source is None else bench.tune(source, seed=seed, rows_at_most=rows)
            tuning = time.process_time() - started
            for target in bench.family.targets:
                if target.name != name:
                    started = time.process_time()
                    losses, correct = _try(target, bench.rows[target.name], encoder, source, head, seed)
                    seconds = time.process_time() - started
                    entry = {
                        "seed": seed, "source": name, "rows": rows, "target": target.name, "losses": losses, "correct": correct,
                        "tuning_cpu_seconds": round(tuning, 2), "trying_cpu_seconds": round(seconds, 3),
                    }  # fmt: skip
                    lines.append(json.dumps(entry))
            write_text(path, "\n".join(lines) + "\n")
            print(f"seed {seed} {name} {rows}: {tuning:.1f} s, {seconds:.2f} s a target", file=sys.stderr, flush=True)
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        entry["losses"] = " ".join(f"{loss:.3f}" for loss in entry["losses"])
        entry["correct"] = "".join("01"[right] for right in entry["correct"])
    table = Path(__file__).with_name(f"transfer_trials_{arguments.family}.csv")
    write_file(table, lambda temporary: pd.DataFrame(entries).to_csv(temporary, index=False))


def _try(
    target: Domain, computed: Rows, encoder: Encoder, source: Domain | None, head: Head | None, seed: int
) -> tuple[list[float], list[bool]]:
    chosen = target.labelled(seed, LABELLED)
    features = encoder.embed([computed.inputs[i] for i in chosen])
    prior = match_classes(head, source.classes, target.classes) if source and head else None
    rows = Rows([target.inputs[i] for i in chosen], target.labels[chosen], features)
    option = Option(PROBE, None, Start(_never, len(target.classes), prior), rows)
    totals = {penalty: np.zeros((len(chosen), len(target.classes))) for penalty in PROBE.regularisations}
    for repeat in range(REPEATS):
        splits = stratified_folds(rows.labels, folds=FOLDS, seed=seed + repeat)
        for penalty, probabilities in held_out_probabilities(option, splits, seed=seed).items():
            totals[penalty] += probabilities / REPEATS
    losses = {penalty: row_losses(p, rows.labels) for penalty, p in totals.items()}
    best = min(losses, key=lambda penalty: float(losses[penalty].mean()))
    correct = totals[best].argmax(axis=1) == rows.labels
    return [round(float(loss), 5) for loss in losses[best]], [bool(each) for each in correct]


def _never() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


if __name__ == "__main__":
    main()
