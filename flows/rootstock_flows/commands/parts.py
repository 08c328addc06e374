"""``rootstock parts``: every name that can stand in ``params.yaml``."""

from __future__ import annotations

import click

from rootstock_flows.session import emit


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """List every part by family, with its parameters."""
    from rootstock.part import Part, families, members

    def row(name: str, part: type[Part]) -> dict[str, object]:
        fields = {key: str(field.annotation) for key, field in part.model_fields.items() if key != "name"}
        return {
            "family": part.family,
            "name": name,
            "parameters": list(fields),
            "says": (part.__doc__ or "").strip().split("\n")[0],
        }

    rows = [row(name, part) for family in families() for name, part in members(family).items()]
    widths = [max(len(str(r[key])) for r in rows) for key in ("family", "name")]
    lines = [
        f"{r['family']!s:<{widths[0]}}  {r['name']!s:<{widths[1]}}  {', '.join(r['parameters'])}"  # type: ignore[arg-type]
        for r in rows
    ]
    emit({"parts": rows}, as_json=as_json, text="\n".join(lines))
