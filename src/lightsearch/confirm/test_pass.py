"""One pass over the test samples with a Lightning Trainer. Only ``evaluation.test_once`` calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pytorch_lightning.utilities import CombinedLoader
from torch.utils.data import DataLoader

from lightsearch.compat.lightning_package import based_on, data_for, package_of_model
from lightsearch.confirm.confusion import CountPredictions
from lightsearch.confirm.wrong_answers import WrongAnswer
from lightsearch.data.loader import TensorLoader
from lightsearch.errors import Mistake, Untestable
from lightsearch.training.quiet import quiet
from lightsearch.training.trainer import loading_weights_only, make_trainer


class Scores(NamedTuple):
    """The result of a test."""

    metrics: dict[str, float]
    """All metrics that the module logged; with several test loaders Lightning adds ``/dataloader_idx_1`` to names."""
    sizes: list[int | None]
    """The number of samples of each test loader; None: the test used a part of them, or the number is unknown."""
    confusion: list[list[int]] | None
    """The number of samples by class (row) and predicted class (column); None: see ``CountPredictions``."""
    wrong: list[WrongAnswer]
    """The surest wrong answers, if the samples are images."""


def test(
    model: Any, data: Any, checkpoint: Path, *, folder: Path, keywords: dict[str, Any], begin: Callable[[], None]
) -> Scores:
    """Tests a model on one device, through all hooks of its data. (Several devices would count some samples twice.)

    Args:
        model: A LightningModule.
        data: A LightningDataModule with a ``test_dataloader``.
        checkpoint: The weights. Lightning loads them after the module's ``setup("test")``, which may make layers.
        folder: Lightning's root folder; nothing is written to it.
        keywords: Keyword arguments of the Trainer; precision and accelerator matter here.
        begin: Called when everything is ready, before the first sample is scored.

    Raises:
        Untestable: if there are no test samples; ``begin`` was not called then.
    """
    quiet()
    lightning = package_of_model(model)
    predictions = based_on(lightning.callbacks.Callback, CountPredictions)()
    beginning = based_on(lightning.callbacks.Callback, _Begin)(begin)
    one_device = {"max_epochs": 1, "devices": 1, "strategy": "auto", "enable_checkpointing": False}
    trainer = make_trainer(lightning, {**keywords, **one_device}, folder, [beginning, predictions])
    with loading_weights_only():
        found = trainer.test(
            model, datamodule=data_for(lightning, data), ckpt_path=str(checkpoint), weights_only=True, verbose=False
        )
    if not found:
        raise Untestable(Mistake("data.class_path", type(data).__name__, "its test_dataloader has no batches"))
    metrics = merged(found)
    loaders = CombinedLoader(trainer.test_dataloaders).flattened
    sizes = [_samples(loader, batches) for loader, batches in zip(loaders, trainer.num_test_batches, strict=True)]
    return Scores(metrics, sizes, predictions.matrix(metrics), predictions.wrong(metrics))


def merged(found: list[dict[str, float]]) -> dict[str, float]:
    """The metrics of all test loaders in one dictionary; different values of one name get the loader's index.

    A metric that the module logs at the end of the test is in the dictionary of each loader, and counts once.

    Args:
        found: One dictionary per loader, as ``Trainer.test`` returns them.
    """
    metrics: dict[str, float] = {}
    for name in dict.fromkeys(name for one in found for name in one):
        values = {position: float(one[name]) for position, one in enumerate(found) if name in one}
        if len({repr(value) for value in values.values()}) == 1:
            metrics[name] = next(iter(values.values()))
        else:
            metrics |= {f"{name}/dataloader_idx_{position}": value for position, value in values.items()}
    return metrics


class _Begin:
    """Mixin for Lightning's ``Callback``: calls a function when a test begins."""

    def __init__(self, begin: Callable[[], None]) -> None:
        super().__init__()
        self._begin = begin

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._begin()


def _samples(loader: Any, batches: float) -> int | None:
    """The number of samples of a loader; None if the test used fewer batches, or the number is unknown."""
    try:
        if batches != len(loader):
            return None
        if isinstance(loader, TensorLoader):
            return len(loader.labels)
        plain = isinstance(loader, DataLoader) and loader.batch_size is not None and not loader.drop_last
        return len(loader.sampler) if plain else None
    except (TypeError, NotImplementedError):
        return None
