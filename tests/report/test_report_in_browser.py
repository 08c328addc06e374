"""The reports in a real browser, where one is installed: they fit a phone, and no message of the page's policy is logged."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rootstock.report.timeline import write_timeline
from rootstock.report.write import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def browse(page: Path, *options: str, profile: Path) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_neither_report_is_wider_than_a_phone_and_a_screenshot_is_not_blank(build_run, windows, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    write_timeline(windows, task="docs", folder=tmp_path)
    frames = "".join(f'<iframe src="{name}.html" width="390" height="4000"></iframe>' for name in ("report", "timeline"))
    measure = (
        "document.title=[...document.querySelectorAll('iframe')].map(f=>f.contentDocument.documentElement.scrollWidth).join(' ')"
    )
    host = tmp_path / "host.html"
    host.write_text(f"<!doctype html><title></title><body>{frames}<script>onload=()=>{{{measure}}}</script>", encoding="utf-8")
    shot = tmp_path / "shot.png"
    dom = browse(host, "--dump-dom", profile=tmp_path / "profile").stdout
    widths = re.search(r"<title>([\d ]+)</title>", dom)
    assert widths is not None, dom[:500]
    assert [int(width) for width in widths.group(1).split()] == [390, 390]
    browse(tmp_path / "report.html", f"--screenshot={shot}", "--window-size=1200,1600", profile=tmp_path / "profile")
    assert shot.stat().st_size > 50_000
