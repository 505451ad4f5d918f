"""The model card: what the model is, how good it is, how it was chosen and trained, and how to use it."""

from __future__ import annotations

from xml.sax.saxutils import escape

from lightsearch.confirm.confirmation import Confirmation
from lightsearch.confirm.confusion_picture import PICTURE
from lightsearch.confirm.record import WRONG_PICTURE, Final
from lightsearch.display.wording import describe_params


def model_card(
    final: Final, confirmation: Confirmation, class_path: str, samples: str, *, has_wrong: bool = False
) -> str:
    """The ``README.md`` of a model.

    Args:
        final: What is known of the model.
        confirmation: Why its configuration was chosen.
        class_path: The model's class.
        samples: What the data consists of: ``images`` or ``samples``.
        has_wrong: Whether there is a picture of wrong answers.
    """
    run = final.run
    earlier = "".join(f"`{describe_params(one.params)}` up to epoch {one.epochs}, then " for one in run.earlier)
    training = (
        f"{earlier}`{describe_params(run.params)}`, {final.epochs} epochs on {run.on}, seed {run.seed}, "
        f"{final.seconds:.0f} s on {final.device} with {final.threads} threads."
    )
    versions = ", ".join(f"{package} {version}" for package, version in final.versions.items())
    split = f"split `{final.split_hash[:12]}`, " if final.split_hash is not None else ""
    lines = [f"# {final.study}: {run.label}, trained on {run.on}", "", *describe_test(final, samples), ""]
    lines += ["## How it was chosen", "", f"{confirmation.verdict}.", ""]
    lines += ["## How it was trained", "", training, ""]
    lines += ["## How to use it", "", *describe_loading(final, class_path), *_describe_program(final)]
    if final.confusion is not None:
        lines += ["## Errors per class", "", *_describe_classes(final, samples), ""]
    if has_wrong:
        lines += ["## The surest wrong answers", "", f"![The surest wrong answers in the test]({WRONG_PICTURE})", ""]
    lines += ["## Provenance", "", f"{versions}; {split}study seed {final.study_seed}.", ""]
    return "\n".join(lines)


def describe_test(final: Final, samples: str) -> list[str]:
    """The result of the test, or why there is none."""
    evaluation = final.evaluation
    if evaluation is None:
        return [f"**Untested**: {final.untested}."]
    accuracies, others = [], []
    for name, value in (evaluation.metrics or {}).items():
        if name not in evaluation.intervals:
            others.append(f"- {name}: {value:.5g}")
            continue
        low, high = evaluation.intervals[name]
        if evaluation.sizes:
            others.append(f"- {name}: {value:.5g} (95% interval {low:.5g} to {high:.5g})")
        else:
            interval = f"95% interval {low:.2%} to {high:.2%}, {evaluation.n_test} {samples}"
            accuracies += [f"**{name} {value:.2%}** ({interval}).", ""]
    return [*accuracies, *others, "", _use_of_test_set(evaluation.ordinal)]


def _use_of_test_set(ordinal: int) -> str:
    if ordinal == 1:
        return "This was the first use of the study's test set."
    return (
        f"This was use number {ordinal} of the study's test set. "
        "If you choose a model by its test result, that result is no longer unbiased."
    )


def describe_loading(final: Final, class_path: str) -> list[str]:
    """The code that loads ``model.ckpt``, and what it does not restore."""
    module, _, cls = class_path.rpartition(".")
    weights = final.weights
    if weights.error is not None:
        arguments = ", ".join(f"{name}={value}" for name, value in final.arguments.items())
        return [
            f"`{cls}.load_from_checkpoint` cannot load `model.ckpt`: `{weights.error}`. Its weights are under "
            f"`state_dict`; the model was built as `{cls}({arguments})`, and set up by a Trainer.",
            "",
        ]
    more = "".join(f", {name}=..." for name in weights.needs)
    load = f'model = {cls}.load_from_checkpoint("model.ckpt", map_location="cpu", weights_only=True{more}).eval()'
    lines = ["```python", f"from {module} import {cls}", "", load, "```", ""]
    if weights.needs:
        given = ", ".join(f"`{name}` (here `{final.arguments[name]}`)" for name in weights.needs)
        lines += [f"A checkpoint holds plain types only, so pass also: {given}.", ""]
    if weights.differs:
        names = ", ".join(f"`{name}`" for name in weights.differs[:5]) + ", ..." * (len(weights.differs) > 5)
        lines += [f"**This does not restore everything**: other than in the tested model are {names}.", ""]
    if weights.source is not None:
        lines += [f"`{module}` is `{weights.source}` of the folder in which the command was started.", ""]
    return lines


def _describe_program(final: Final) -> list[str]:
    """The code that loads the exported program."""
    program = final.program
    if program.file is None:
        return [f"There is no exported program: `{program.reason}`", ""]
    return [
        "Without its Python code, for any batch size (its outputs differ from the model's by at most "
        f"{program.largest_difference:.1g}):",
        "",
        "```python",
        "import torch",
        "",
        f'model = torch.export.load("{program.file}").module()',
        "```",
        "",
    ]


def _describe_classes(final: Final, samples: str) -> list[str]:
    """The confusion matrix, and the figures of each class."""
    return [
        f"![Confusion matrix on the test {samples}]({PICTURE})",
        "",
        f"| class | {samples} | recall | precision |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {_cell(one.name)} | {one.samples} | {_percent(one.recall)} | {_percent(one.precision)} |"
            for one in final.classes
        ),
    ]


def _cell(text: str) -> str:
    return escape(text).replace("|", "\\|")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
