"""Whether a metric is minimised or maximised, judged by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Direction = Literal["minimize", "maximize"]

LOWER_IS_BETTER = re.compile(
    r"loss|err|mse|mae|mape|perplexity|nll|entropy|neg\w*likelihood|divergence|distance|deviance|brier|regret|residual"
    r"|(?<![a-z])(b?ce|xent|kld?|fid|kid|lpips|wer|cer|eer|ece|crps|wape|ppl|cost|fpr|fnr)(?![a-z])",
    re.IGNORECASE,
)

HIGHER_IS_BETTER = re.compile(
    r"acc|precision|recall|auc|auroc|score|jaccard|corr|pearson|spearman|likelihood|reward|sensitivity|specificity"
    r"|(?<![a-z])(f1|f_?beta|r2|m?iou|m?ap|dice|kappa|mcc|ndcg|mrr|psnr|ssim|bleu|rouge\w?|hits?|top)(?![a-z])",
    re.IGNORECASE,
)


def direction_of(metric: str) -> Direction | None:
    """The direction that the name of a metric implies. None: its name says nothing.

    Args:
        metric: The name under which a module logs it, such as ``val/MulticlassAccuracy``.
    """
    if LOWER_IS_BETTER.search(metric):  # first: top5_error, accuracy_loss
        return "minimize"
    return "maximize" if HIGHER_IS_BETTER.search(metric) else None


def preferred(metrics: Sequence[str]) -> str:
    """The metric to propose: one to maximise, else one to minimise, else the first.

    Args:
        metrics: At least one name.
    """
    directions = {metric: direction_of(metric) for metric in metrics}
    known = [metric for wanted in ("maximize", "minimize") for metric in metrics if directions[metric] == wanted]
    return (known or list(metrics))[0]


def direction_line(metric: str, direction: str | None) -> str:
    """The line of a study file. It asks where the direction is not known.

    Args:
        metric: The metric's name.
        direction: ``minimize`` or ``maximize``; None: not known.
    """
    if direction is None:
        return f'direction = "maximize"  # CHECK: minimize, if a lower {metric} is better'
    return f'direction = "{direction}"'
