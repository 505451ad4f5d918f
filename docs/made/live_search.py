"""A picture of the live display, taken in the middle of a real search.

    python docs/made/live_search.py

searches the digits in a temporary folder and writes docs/assets/live-search.svg.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path

import optuna
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

import lightsearch
from lightsearch.display.live import LiveDisplay
from lightsearch.display.wording import n_begun

CLONE = Path(__file__).parents[2]
PICTURE = CLONE / "docs" / "assets" / "live-search.svg"
N_TRIALS = 50
SHOWN_AT = 30
"""The picture is taken when this many trials have begun."""

COMMAND = f"lightsearch run --n-trials {N_TRIALS}"


class PhotographedDisplay(LiveDisplay):
    """The live display, of which a picture is kept."""

    picture = ""

    def update(self, study: optuna.Study) -> None:
        super().update(study)
        trials = study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state is optuna.trial.TrialState.RUNNING]
        reported = [trial for trial in running if trial.intermediate_values]
        if not self.picture and n_begun(trials) >= SHOWN_AT and len(reported) > len(running) / 2:
            self.picture = _svg(self._live.get_renderable())


def main() -> None:
    """Searches, and writes the picture."""
    declared = CLONE / "studies" / "digits.toml"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        console = Console(file=io.StringIO(), force_terminal=True, width=112)
        shown = {"name": "digits", "metric": "val_acc", "direction": "maximize", "n_trials": N_TRIALS, "max_epochs": 20}
        with PhotographedDisplay(console, **shown) as display:
            lightsearch.search(declared, n_trials=N_TRIALS, display=display)
    PICTURE.write_text(display.picture, encoding="utf-8")


def _svg(drawn: object) -> str:
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=112, color_system="truecolor")
    console.print(f"[bold]$ {COMMAND}[/bold]\n", highlight=False)
    console.print(drawn)
    without_web_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="lightsearch", code_format=without_web_fonts, unique_id="live")


if __name__ == "__main__":
    main()
