# python -m tests.benchmarks.confirmed --study mnist --data-dir data      (after search.retrain --study mnist)
"""Test accuracy of the chosen configuration over the seeds that confirmed it.

The choice is made, so the test set decides nothing here; even so each model's test is counted with the study.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lightsearch.confirm.evaluation import test_once
from lightsearch.confirm.runs import Run, finished
from lightsearch.confirm.seed_statistics import summarise
from lightsearch.confirm.test_uses import Tested
from lightsearch.paths import study_folder
from lightsearch.storage.opening import open_storage
from lightsearch.storage.urls import storage_url
from lightsearch.study.stored import declaration_of, find_study
from lightsearch.training.rebuild import rebuild


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="digits")
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    url, folder = storage_url(None), study_folder(given.study)
    study = find_study(open_storage(url, create=False), given.study)
    declared = declaration_of(study)
    chosen = json.loads((Path("reports") / given.study / "confirm.json").read_text())["ranked"][0]
    accuracies = []
    for file in sorted((folder / "retrain").glob("confirm-*/run.json")):
        run = Run.model_validate_json(file.read_text())
        outcome = finished(run, file.parent)
        if run.trial != chosen["trial"] or run.seed not in chosen["seeds"] or outcome is None:
            continue
        rebuilt = rebuild(declared, outcome, file.parent, given.data_dir)
        tested = Tested(
            why=f"benchmark: {run.title}",
            trial=run.trial,
            checkpoint=str(rebuilt.checkpoint.relative_to(folder)),
            sha256=str(outcome.sha256),
            value=outcome.value,
            params=run.params,
        )
        evaluation, _ = test_once(study, rebuilt, tested, url=url)
        assert evaluation.metrics is not None
        accuracies.append(evaluation.metrics["test_acc"])
        print(f"{run.title}: test_acc {accuracies[-1]:.4f}, {declared.metric} {outcome.value:.4f}")
    mean, sd, interval = summarise(accuracies)
    print(f"{len(accuracies)} seeds: mean test_acc {mean:.5f}, sd {sd}, 95% interval {interval}")


if __name__ == "__main__":
    main()
