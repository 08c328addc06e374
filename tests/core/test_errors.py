"""The exception tree."""

from __future__ import annotations

import pytest
from rootstock import errors


def test_a_message_is_one_line():
    assert str(errors.DataError("expected this,\n   found that")) == "expected this, found that"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InputError, 2), (errors.ParamsError, 2), (errors.DataError, 2), (errors.BackboneError, 2), (errors.BusyError, 2),
        (errors.StorageError, 2), (errors.Refusal, 1), (errors.ServiceError, 3),
    ],
)  # fmt: skip
def test_exit_codes(kind, code):
    assert kind("x").exit_code == code
    assert issubclass(kind, errors.RootstockError)


def test_a_slip_gets_a_suggestion_and_a_stranger_does_not():
    assert (
        errors.unknown_name("gate", "flor", ["floor", "margin"])
        == "unknown gate 'flor'; known: floor, margin; did you mean 'floor'?"
    )
    assert errors.unknown_name("gate", "xyz", ["floor"]) == "unknown gate 'xyz'; known: floor"
    assert errors.unknown_name("gate", "xyz", []) == "unknown gate 'xyz'; known: none"
