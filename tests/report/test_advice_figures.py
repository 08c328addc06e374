"""The map, the scores, the trials and the past of the advisor."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path

import pytest
from rootstock.records import History
from rootstock.report.figures.domain_map import domain_map, neighbours
from rootstock.report.figures.labels import MARK, Box, place_labels
from rootstock.report.figures.realised import realised
from rootstock.report.heat import heat_rows
from rootstock.report.paired import Difference
from rootstock.report.past import Realised, realised_choices, record_of, this_choice
from rootstock.report.trials import rounds
from rootstock.report.write import write_report


def marks(figure: str) -> list[tuple[float, float]]:
    found = re.findall(r'<svg x="([\d.]+)" y="([\d.]+)" class="mark', figure)
    return [(float(x), float(y)) for x, y in found]


# ---- the map


def test_distances_on_the_map_keep_their_proportions() -> None:
    drawn = marks(domain_map({"t": (0, 0), "a": (3, 0), "b": (0, 8)}, target="t", chosen="a"))
    far, near, target = drawn  # the important ones are drawn last, on top
    assert math.dist(target, far) / math.dist(target, near) == pytest.approx(8 / 3, rel=0.01)


def test_every_source_that_was_learned_from_is_marked() -> None:
    drawn = domain_map({"t": (0, 0), "a": (3, 0), "b": (0, 8), "c": (9, 9)}, target="t", chosen="a + b")
    assert set(re.findall(r'class="strong">([^<]*)<', drawn)) == {"t", "a", "b"}
    near = neighbours({"t": (0, 0), "a": (3, 0), "b": (0, 8), "c": (9, 9)}, target="t", chosen="a + b")
    assert [each.name for each in near if each.chosen] == ["a", "b"]


def test_names_cover_neither_marks_nor_each_other_in_a_crowd() -> None:
    points = [(200 + 40 * math.cos(i), 160 + 40 * math.sin(2.3 * i)) for i in range(14)]
    frame = Box(0, 0, 400, 320)
    found = [place.box for place in place_labels(points, [f"domain-{i}" for i in range(14)], frame=frame, size=12) if place]
    assert len(found) > 7
    assert not [pair for pair in combinations(found, 2) if pair[0].overlaps(pair[1])]
    covers = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in points]
    assert not [1 for box in found for cover in covers if box.overlaps(cover)]
    assert all(box.inside(frame) for box in found)


def test_two_hundred_domains_on_one_spot_still_name_the_target_first() -> None:
    places = {f"s{i:03d}": (1.0, 1.0) for i in range(200)} | {"target": (1.0, 1.0)}
    drawn = domain_map(places, target="target", chosen="s007")
    assert len(marks(drawn)) == 201
    assert '"strong">target</text>' in drawn


def test_many_domains_are_numbered_as_in_the_list_of_neighbours() -> None:
    places = {f"source-{i:02d}": (float(i), float(i % 5)) for i in range(1, 16)} | {"target": (0.0, 0.0)}
    drawn = domain_map(places, target="target", chosen="source-09")
    assert re.findall(r'class="strong">([^<]*)<', drawn) == ["target", "source-09"]
    ranks = {str(rank) for rank, each in enumerate(neighbours(places, target="target", chosen=None), start=1)}
    assert set(re.findall(r'class="label">([^<]*)<', drawn)) <= ranks


@pytest.mark.parametrize("places", [{}, {"t": (0, 0)}, {"t": (0, 0), "a": (math.nan, 1)}])
def test_a_map_of_fewer_than_two_places_is_not_drawn(places: dict[str, tuple[float, float]]) -> None:
    assert domain_map(places, target="t", chosen=None) == ""


def test_neighbours_come_nearest_first_as_shares_of_the_farthest() -> None:
    near = neighbours({"t": (0, 0), "far": (0, 4), "near": (1, 0)}, target="t", chosen="far")
    assert [(each.name, each.distance, each.chosen) for each in near] == [("near", 0.25, False), ("far", 1.0, True)]


def test_names_on_the_map_are_escaped() -> None:
    drawn = domain_map({"<script>": (0, 0), "b": (1, 1)}, target="b", chosen=None)
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


# ---- the heat map


def test_a_score_is_shaded_by_its_deviations_from_the_mean_of_its_column(build_run) -> None:
    candidates = [
        each.model_copy(update={"scores": {"m": score}, "excluded": None})
        for each, score in zip(build_run().ranking.candidates, (1.0, 2.0, 3.0), strict=False)
    ]
    low, middle, high = (row.cells[0] for row in heat_rows(candidates, ["m"]))
    assert high.standardised == pytest.approx(math.sqrt(1.5))
    assert (low.side, low.shade) == ("below", high.shade)
    assert middle.shade == 0


def test_equal_scores_have_no_shade_and_a_missing_one_no_side(build_run) -> None:
    first, second, third = build_run().ranking.candidates[:3]
    given = [each.model_copy(update={"scores": {"m": 0.1, "k": 1.0}}) for each in (first, second)]
    given.append(third.model_copy(update={"scores": {"m": None, "k": 1.0}}))
    rows = heat_rows(given, ["m", "k"])
    assert [row.cells[0].shade for row in rows] == [0, 0, 0]
    assert (rows[2].cells[0].side, rows[2].cells[0].text) == ("", "\N{EN DASH}")


def test_an_excluded_candidate_moves_no_shade(build_run) -> None:
    first, second, third = build_run().ranking.candidates[:3]
    pair = [first.model_copy(update={"scores": {"m": 1.0}}), second.model_copy(update={"scores": {"m": 2.0}})]
    out = third.model_copy(update={"scores": {"m": 1e9}, "excluded": "over a limit"})
    assert heat_rows([*pair, out], ["m"])[:2] == heat_rows(pair, ["m"])


def test_numbers_of_a_column_have_equally_many_decimals(build_run) -> None:
    scores = (0.7, 0.66, 1.0)
    given = [e.model_copy(update={"scores": {"m": s}}) for e, s in zip(build_run().ranking.candidates, scores, strict=False)]
    assert [row.cells[0].text for row in heat_rows(given, ["m"])] == ["0.70", "0.66", "1.00"]


# ---- trials


def test_all_rounds_share_one_scale_and_kept_ones_come_first(build_run) -> None:
    first, second = rounds(build_run().selection)
    assert [each.name for each in first.scores] == ["numpy-docs", "champion", "scipy-docs"]
    axes = [re.findall(r'text-anchor="middle">([^<]*)<', str(each.figure)) for each in (first, second)]
    assert axes[0] == axes[1] != []
    assert "dropped" in first.figure
    assert "chosen" in second.figure


# ---- the past


def test_only_outcomes_with_a_prediction_can_be_compared(build_run) -> None:
    outcomes = build_run().history.outcomes
    assert len(realised_choices(outcomes, task="scientific-docs")) == len(outcomes) - 1


def test_error_bias_and_harm_of_past_predictions_are_counted() -> None:
    def choice(predicted: float, realised: float) -> Realised:
        return Realised("s", "t", predicted, realised, math.nan, math.nan, same_task=True, now=False)

    record = record_of([choice(0.06, 0.05), choice(0.02, -0.01)])
    assert (record.n, record.error, record.bias, record.negative) == (2, pytest.approx(0.02), pytest.approx(0.02), 1)
    assert record_of([]) is None


def test_the_scatter_has_a_mark_for_each_choice_and_the_current_one_stands_out(build_run) -> None:
    past = realised_choices(build_run().history.outcomes, task="scientific-docs")
    now = Realised("s", "t", 0.05, 0.07, 0.03, 0.11, same_task=True, now=True)
    drawn = realised([*past, now])
    assert len(marks(drawn)) == len(past) + 1
    assert drawn.count("this run") == 1
    assert realised([]) == ""


def test_a_prediction_that_came_true_lies_on_the_diagonal() -> None:
    choices = [Realised("s", "t", value, value, math.nan, math.nan, same_task=True, now=False) for value in (-0.02, 0.0, 0.08)]
    line = re.search(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="reference"', realised(choices))
    x1, y1, x2, y2 = map(float, line.groups())
    for x, y in marks(realised(choices)):
        assert (y - y1) / (y2 - y1) == pytest.approx((x - x1) / (x2 - x1), abs=0.001)


def test_a_run_that_transferred_nothing_is_no_point_of_the_past(build_run) -> None:
    gain = Difference(0.05, 0.01, 0.09, 40, 20, 450)
    run = build_run()
    assert this_choice(run, gain).realised == 0.05
    assert this_choice(build_run(trained=run.trained.model_copy(update={"source": None})), gain) is None


def test_a_gain_over_another_backbone_than_the_predicted_one_is_no_point(build_run) -> None:
    ranking = build_run().ranking
    moved = [each.model_copy(update={"backbone": "another"}) if each.kind == "domain" else each for each in ranking.candidates]
    run = build_run(ranking=ranking.model_copy(update={"candidates": tuple(moved)}))
    assert this_choice(run, Difference(0.05, 0.01, 0.09, 40, 20, 450)) is None


# ---- the page


@pytest.mark.parametrize(
    ("record", "anchor"), [("history", "history"), ("selection", "trials"), ("ranking", "sources"), ("evaluation", "guard")]
)
def test_a_section_stands_there_when_its_record_does(build_run, parse, record: str, anchor: str, tmp_path: Path) -> None:
    for name, changes in (("with", {}), ("without", {record: None})):
        (tmp_path / name).mkdir()
        write_report(build_run(**changes), task="docs", folder=tmp_path / name)
        page = parse(tmp_path / name / "report.html")
        assert (anchor in {attributes.get("id") for attributes in page.named("section")}) is (name == "with")


@pytest.mark.parametrize(
    ("changes", "figure"),
    [({"projection": {}}, 'class="map"'), ({"candidates": ()}, "with-asides"), ({"candidates": ()}, 'class="scores"')],
)
def test_a_figure_without_its_numbers_is_left_out(build_run, changes: dict[str, object], figure: str, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    body = (tmp_path / "report.html").read_text(encoding="utf-8").partition("</style>")[2]
    assert figure in body
    bare = build_run().ranking.model_copy(update=changes)
    write_report(build_run(ranking=bare), task="docs", folder=tmp_path)
    assert figure not in (tmp_path / "report.html").read_text(encoding="utf-8").partition("</style>")[2]


def test_two_hundred_candidates_make_a_page_of_thirty_and_a_folded_table(build_run, parse, tmp_path: Path) -> None:
    run = build_run()
    first = run.ranking.candidates[0]
    many = tuple(first.model_copy(update={"name": f"source-{i:03d}"}) for i in range(200))
    ranking = run.ranking.model_copy(update={"candidates": many, "chosen_name": "source-000"})
    write_report(build_run(ranking=ranking, selection=None), task="docs", folder=tmp_path)
    page = parse(tmp_path / "report.html")
    assert "The first 30 of 200 candidates" in page.text
    assert "source-199" in page.text
    assert (tmp_path / "report.html").stat().st_size < 300_000


def test_notes_and_labels_matched_by_meaning_are_listed(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "4 of 8 labels have no counterpart. Labels matched by meaning: indexing as slicing <em>." in text
    assert "autograd as autograd" not in text


def test_a_team_without_history_is_told_so(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(history=History(outcomes=())), task="docs", folder=tmp_path)
    assert "No history yet" in parse(tmp_path / "report.html").text


def test_names_reasons_and_notes_of_the_advisor_stay_text(build_run, parse, tmp_path: Path) -> None:
    hostile = '</svg></td><script>alert("advice")</script>'
    run = build_run()
    first = run.ranking.candidates[0].model_copy(
        update={
            "name": hostile, "source": hostile, "backbone": hostile, "notes": (hostile,),
            "matched_labels": {hostile: "x" + hostile}, "scores": {hostile: 1.0},
        }
    )  # fmt: skip
    out = run.ranking.candidates[-1].model_copy(update={"name": hostile + "2", "excluded": hostile})
    place = {"torch-docs": (0.0, 0.0), hostile: (1.0, 1.0)}
    changes = {
        "candidates": (first, run.ranking.candidates[1], out),
        "chosen": hostile,
        "chosen_name": hostile,
        "projection": place,
    }
    score = run.selection.rounds[0][0].model_copy(update={"name": hostile})
    selection = {"chosen": hostile, "chosen_name": hostile, "rounds": ((score,),), "reason": hostile}
    outcome = run.history.outcomes[0].model_copy(update={"source": hostile, "target": hostile})
    source = run.prepared.sources[0].model_copy(update={"name": hostile})
    prepared = {"sources": (source,), "unusable_sources": {hostile: hostile}}
    changed = build_run(
        ranking=run.ranking.model_copy(update={**changes, "reason": hostile}),
        selection=run.selection.model_copy(update=selection),
        history=History(outcomes=(outcome,)),
        prepared=run.prepared.model_copy(update=prepared),
    )
    write_report(changed, task="docs", folder=tmp_path)
    page = parse(tmp_path / "report.html")
    assert page.unbalanced == []
    assert page.named("script") == []
    assert page.text.count('<script>alert("advice")</script>') > 12


def test_the_same_advice_names_nothing_outside_the_page(build_run, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    assert not re.search(r"https?://|url\(|@import", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_contamination_is_counted_by_source_and_unusable_sources_are_named(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "numpy-docs: 14 rows equal to a test row, 9 rows nearly so." in text
    assert "2 sources named in the params are left out." in text
    assert "empty-docs: it has no rows" in text


def test_clean_sources_are_said_to_hold_no_test_row(build_run, parse, tmp_path: Path) -> None:
    run = build_run()
    clean = run.prepared.model_copy(update={"sources": run.prepared.sources[1:], "unusable_sources": {}})
    write_report(build_run(prepared=clean), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "None, in 3 sources looked through." in text
    assert "Sources that cannot be used" not in text


def test_the_guard_says_whether_transfer_helped(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "transfer helped So large a lead is unlikely by chance." in text
    assert "Gate positive transfer" in text


def test_an_evaluation_without_the_control_has_no_guard(build_run, parse, tmp_path: Path) -> None:
    run = build_run()
    baselines = tuple(each for each in run.evaluation.baselines if each.name != "no_transfer")
    write_report(build_run(evaluation=run.evaluation.model_copy(update={"baselines": baselines})), task="docs", folder=tmp_path)
    assert "guard" not in {attributes.get("id") for attributes in parse(tmp_path / "report.html").named("section")}
