"""``python -m search.evaluate``: the best trial's checkpoint on the test set."""

from __future__ import annotations

from typing import Annotated

import typer

from search._command import STUDY_HELP, DataDir, Storage, console, data_dir, run, study_name


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    storage: Storage = None,
    data: DataDir = None,
) -> None:
    """Test the study's best trial, and record that the test set was used."""
    from lightsearch.evaluation import evaluate_best
    from lightsearch.folders import study_folder
    from lightsearch.progress import describe_params
    from lightsearch.storage import storage_url

    name, screen = study_name(study), console()
    screen.print("loading PyTorch and the test data ...")
    evaluation = evaluate_best(name, url=storage_url(storage), data_dir=data_dir(data))
    screen.print(f"\ntrial {evaluation.trial} of {name}: {describe_params(evaluation.params)}", markup=False)
    for metric, value in (evaluation.metrics or {}).items():
        screen.print(f"  {metric:<10} {value:.5g}", markup=False)
    if evaluation.interval is not None:
        low, high = evaluation.interval
        screen.print(f"  95% interval of test_acc on {evaluation.n_test} samples: {low:.4f} to {high:.4f}")
    screen.print(f"  in validation it had {evaluation.value:.5g}")
    if evaluation.ordinal > 1:
        screen.print(
            f"\nThis is evaluation number {evaluation.ordinal} of this study's test set. "
            "A choice made after looking at test results is no longer tested by them."
        )
    screen.print(f"\nrecorded with the study and in {study_folder(name) / 'test_evaluations.json'}", soft_wrap=True)


if __name__ == "__main__":
    run(main, "evaluate")
