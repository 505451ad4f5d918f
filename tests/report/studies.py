"""Studies as a search leaves them, with texts that no page may take for markup, and their reports."""

from __future__ import annotations

import json
import math
import random
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from lightsearch.report import FILES, write_report

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>`|[a](javascript:alert(3)) %{y} {{ 7*7 }}"
SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(16, 512, log=True),
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0, 0.5),
    "activation": CategoricalDistribution(("relu", EVIL)),
}


def fill(
    study: optuna.Study, n: int, *, epochs: int = 8, kinds: tuple[str, ...] = ("complete", "pruned", "complete")
) -> None:
    """Adds n trials as a search would have left them; the kinds take turns."""
    rng, now = random.Random(0), datetime.now() - timedelta(hours=2)
    attrs: dict[str, Any] = {
        "uid": "0" * 32, "metric": "val_acc", "device": "x86_64", "versions": {"python": "3.11", "torch": "2.14"},
        "data": {"dataset": "digits", "n_train": 1150, "n_val": 288, "split_hash": "8c49", "classes": ["0", "1"]},
        "fingerprint": {"seed": 42, "metric": "val_acc", "direction": "maximize", "trainer": {"max_epochs": epochs}},
        "runs": [{"started": time.time() - 7200, "seconds": 60.0, "workers": 2, "ending": "done"}],
    }  # fmt: skip
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    for number in range(n):
        kind, rate = kinds[number % len(kinds)], 10 ** rng.uniform(-4, -1)
        params = {"hidden_size": rng.randint(16, 512), "learning_rate": rate, "dropout": rng.uniform(0, 0.5)}
        params["activation"] = ("relu", EVIL)[number % 2]
        top = 0.97 - 0.03 * (math.log10(rate) + 2.5) ** 2
        curve = {epoch: top - 0.5 * math.exp(-epoch / 2) for epoch in range(epochs if kind == "complete" else 3)}
        state = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(kind, TrialState.FAIL)
        best = max(curve, key=lambda epoch: curve[epoch])
        told = {
            "number": number, "attempt": 1, "value": curve[best], "best_epoch": best, "epochs": len(curve),
            "seed": number,
            "stop_reason": "max_epochs", "metrics": {"val_acc": curve[best], "val_loss": 0.1}, "seconds": 2.0,
            "checkpoint": None, "sha256": None, "device": "cpu",
            "error": {"type": "RuntimeError", "message": EVIL, "traceback": EVIL} if state is TrialState.FAIL else None,
        }  # fmt: skip
        trial = create_trial(
            state=state,
            params=params,
            distributions=SPACE,
            intermediate_values=curve,
            value=curve[best] if state is TrialState.COMPLETE else None,
            user_attrs={"kind": kind, "result": told, "attempt": 1},
        )
        trial.datetime_start = now + timedelta(seconds=number // 2 * 3)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=2)
        study.add_trial(trial)


def report(study: optuna.Study, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """The page and the summary."""
    write_report(study, tmp_path / "report", tmp_path / "none")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(FILES)
    summary: dict[str, Any] = json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))
    return (tmp_path / "report" / "report.html").read_text("utf-8"), summary
