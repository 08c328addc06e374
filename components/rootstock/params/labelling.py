"""Which rows people are asked to label."""

from __future__ import annotations

from rootstock.params.base import Section
from rootstock.part import QueryStrategyPart


class LabellingParams(Section):
    strategy: QueryStrategyPart
