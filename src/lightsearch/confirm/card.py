"""The model card: what the model is, how good, how it was chosen; with the confusion matrix as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from lightsearch.display.wording import describe_params

if TYPE_CHECKING:
    from lightsearch.confirm.ranking import Confirmation
    from lightsearch.confirm.record import Final

PICTURE = "confusion.svg"
CELL, LABELS = 44, 96
"""Pixels of a cell's side, and of the room for the names at the left and at the top."""
INK, BLUE, RED = "#1f2933", (33, 102, 172), (178, 24, 43)


def confusion_svg(confusion: list[list[int]], names: list[str]) -> str:
    """The confusion matrix as a picture: right answers in blue, mistakes in red.

    Each of the two has a scale of its own, or the mistakes of a good model would not be seen beside the diagonal.

    Args:
        confusion: Samples by class (row) and by what they were taken for (column).
        names: The classes' names.
    """
    n = len(confusion)
    width = height = LABELS + n * CELL + 16
    most = [
        max([confusion[row][column] for row in range(n) for column in range(n) if (row == column) is right] or [0])
        for right in (False, True)
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img" aria-label="Confusion matrix">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LABELS + n * CELL / 2}" y="24" text-anchor="middle" font-weight="600">taken for</text>',
        f'<text x="24" y="{LABELS + n * CELL / 2}" text-anchor="middle" font-weight="600" '
        f'transform="rotate(-90 24 {LABELS + n * CELL / 2})">is</text>',
    ]
    for position, name in enumerate(names):
        middle = LABELS + position * CELL + CELL / 2
        text = escape(name if len(name) <= 9 else name[:8] + "…")
        # Names that are longer than a cell is wide stand upright.
        turned = f' text-anchor="start" transform="rotate(-90 {middle} {LABELS - 8})"' if len(name) > 5 else ""
        anchor = turned or ' text-anchor="middle"'
        parts.append(f'<text x="{middle}" y="{LABELS - 8}"{anchor}>{text}</text>')
        parts.append(f'<text x="{LABELS - 8}" y="{middle + 5}" text-anchor="end">{text}</text>')
    for row in range(n):
        for column in range(n):
            count, x, y = confusion[row][column], LABELS + column * CELL, LABELS + row * CELL
            share = count / most[row == column] if count else 0.0
            fill = _mixed(BLUE if row == column else RED, 0.15 + 0.75 * share) if count else "#f5f7fa"
            title = f"{escape(names[row])} taken for {escape(names[column])}: {count}"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="4" fill="{fill}">'
                f"<title>{title}</title></rect>"
            )
            if count:
                ink, middle = "#ffffff" if share > 0.5 else INK, x + CELL / 2 - 1
                place = f'x="{middle}" y="{y + CELL / 2 + 4}" text-anchor="middle"'
                parts.append(f'<text {place} fill="{ink}">{count}</text>')
    return "\n".join([*parts, "</svg>", ""])


def model_card(final: Final, confirmation: Confirmation, class_path: str, samples: str) -> str:
    """``README.md`` of the model.

    Args:
        final: What is known of it.
        confirmation: Why its configuration was chosen.
        class_path: The model's class.
        samples: What the data consists of: ``images``, ``samples``.
    """
    lines = [f"# {final.study}: {final.run.label}, trained on {final.run.on}", "", *_tested(final, samples)]
    lines += ["", "## How it was chosen", "", f"{confirmation.verdict}.", ""]
    lines += [
        "## How it was trained",
        "",
        f"`{describe_params(final.run.params)}`, {final.epochs} epochs on {final.run.on}, seed {final.run.seed}, "
        f"{final.seconds:.0f} s on {final.device} with {final.threads} threads.",
        "",
        "## How to use it",
        "",
        *_loading(final, class_path),
    ]
    if final.program.file is not None:
        lines += [
            "Without its Python code, for any batch size (its logits differ from the model's by at most "
            f"{final.program.largest_difference:.1g}):",
            "",
            "```python",
            "import torch",
            "",
            f'model = torch.export.load("{final.program.file}").module()',
            "```",
            "",
        ]
    else:
        lines += [f"There is no exported program: `{final.program.reason}`", ""]
    if final.confusion is not None:
        lines += ["## Where it errs", "", f"![Confusion matrix on the test {samples}]({PICTURE})", ""]
        lines += [f"| class | {samples} | recall | precision |", "| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {_cell(one.name)} | {one.samples} | {_percent(one.recall)} | {_percent(one.precision)} |"
            for one in final.classes
        ]
        lines.append("")
    versions = ", ".join(f"{package} {version}" for package, version in final.versions.items())
    lines += [
        "## Provenance",
        "",
        f"{versions}; split `{str(final.split_hash)[:12]}`, study seed {final.study_seed}.",
        "",
    ]
    return "\n".join(lines)


def _tested(final: Final, samples: str) -> list[str]:
    """What the test found, or why there is none."""
    evaluation = final.evaluation
    if evaluation is None:
        return [f"**Untested**: {final.untested}."]
    metrics, lines = evaluation.metrics or {}, []
    if evaluation.interval is not None:
        low, high = evaluation.interval
        lines.append(
            f"**Test accuracy {metrics['test_acc']:.2%}** "
            f"(95% interval {low:.2%} to {high:.2%}, {evaluation.n_test} {samples})."
        )
    for name, value in metrics.items():
        if name in evaluation.intervals:
            low, high = evaluation.intervals[name]
            lines.append(f"- {name}: {value:.5g} (95% interval {low:.5g} to {high:.5g})")
        elif name != "test_acc" or evaluation.interval is None:
            lines.append(f"- {name}: {value:.5g}")
    return [*lines, "", _use_of_test_set(evaluation.ordinal)]


def _loading(final: Final, class_path: str) -> list[str]:
    """The code that loads ``model.ckpt``, and what it does not bring back."""
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
        lines += [f"To be given, since a checkpoint holds plain types only: {given}.", ""]
    if weights.differs:
        names = ", ".join(f"`{name}`" for name in weights.differs[:5]) + ", ..." * (len(weights.differs) > 5)
        lines += [f"**This does not bring back all of it**: other than in the tested model are {names}.", ""]
    if weights.source is not None:
        lines += [f"`{module}` is `{weights.source}` of the folder that the command was started in.", ""]
    return lines


def _use_of_test_set(ordinal: int) -> str:
    if ordinal == 1:
        return "This was the first use of the study's test set."
    return (
        f"This was use number {ordinal} of the study's test set: a choice made after looking at the earlier results is "
        "no longer tested by them."
    )


def _mixed(colour: tuple[int, int, int], share: float) -> str:
    """The colour on white, ``share`` of it."""
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in colour)


def _cell(text: str) -> str:
    return escape(text).replace("|", "\\|")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
