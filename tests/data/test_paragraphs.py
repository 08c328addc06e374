"""What is prose in a docstring, and what is cleaned away."""

from __future__ import annotations

import pytest
from rootstock.data.paragraphs import descriptions, is_prose, paragraphs

NUMPYDOC = """
Return the eigenvalues and the right eigenvectors of a square array, as :func:`numpy.linalg.eigh` would.

.. versionadded:: 1.2

Parameters
----------
a : (..., M, M) array
    Matrices for which the eigenvalues and right eigenvectors will be computed here.

Returns
-------
A namedtuple with the following attributes is what this function gives back to the caller.

Notes
-----
This is implemented with the routines of `LAPACK <https://example.org>`_ which compute the values
of general square arrays, see [1]_ and ``scipy.linalg.eig``.

>>> from numpy import linalg as LA, and some more words that are long enough to look like prose here.

References
----------
.. [1] G. Strang, *Linear Algebra and Its Applications*, 2nd Ed., Orlando, FL, Academic Press.
"""

GOOGLE = """fft(input) -> Tensor

Computes the one dimensional discrete Fourier transform of :attr:`input` in PyTorch.

Note:
    The Fourier domain representation of any real signal satisfies the Hermitian property always.

Args:
    n (int, optional): Signal length. If given, the input will either be zero-padded
        or trimmed to this length before computing the transform.
"""


def test_numpydoc_gives_summary_and_notes_without_markup():
    assert list(paragraphs(NUMPYDOC)) == [
        "Return the eigenvalues and the right eigenvectors of a square array, as eigh would.",
        "This is implemented with the routines of LAPACK which compute the values of general square arrays, see and eig.",
    ]


def test_google_style_gives_text_and_notes_without_the_package_name():
    assert list(paragraphs(GOOGLE)) == [
        "Computes the one dimensional discrete Fourier transform of input in the library.",
        "The Fourier domain representation of any real signal satisfies the Hermitian property always.",
    ]


def test_descriptions_of_parameters_are_found_in_both_styles():
    assert list(descriptions(NUMPYDOC)) == ["Matrices for which the eigenvalues and right eigenvectors will be computed here."]
    assert list(descriptions(GOOGLE)) == [
        "Signal length. If given, the input will either be zero-padded or trimmed to this length before computing the transform."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Too short to say anything.",
        "a paragraph that begins in the middle of a sentence and is therefore not taken as one here.",
        "This one has no end and so it must have been cut out of something longer than itself",
        "X = 1 + 2 * 3 / 4 - 5, y[0] = 6 ** 7, z = (8, 9, 10), w = [11, 12, 13], v = 14 // 15, u = 16.",
        "Permission is granted to everyone to use this licensed software for any purpose, whatever it may be.",
        "Many words " * 80 + "end.",
    ],
)
def test_what_is_not_prose(text):
    assert not is_prose(text)
