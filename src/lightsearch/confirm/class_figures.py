"""Precision and recall of each class."""

from __future__ import annotations

from lightsearch.confirm.record import ClassFigures


def class_figures(confusion: list[list[int]] | None, names: list[str] | None) -> list[ClassFigures]:
    """Precision and recall of each class; empty without a confusion matrix.

    Args:
        confusion: The number of samples by class (row) and by predicted class (column).
        names: The names of the classes; their numbers if None.
    """
    if confusion is None:
        return []
    if names is None or len(names) != len(confusion):
        names = [str(number) for number in range(len(confusion))]
    figures = []
    for index, row in enumerate(confusion):
        samples, predicted = sum(row), sum(other[index] for other in confusion)
        figures.append(
            ClassFigures(
                name=names[index],
                samples=samples,
                recall=row[index] / samples if samples else None,
                precision=row[index] / predicted if predicted else None,
            )
        )
    return figures
