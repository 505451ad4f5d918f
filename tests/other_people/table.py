"""The table: what each module is there for, and a study of it, as a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RATE = {"float": [1e-3, 3e-2], "log": True}


@dataclass(frozen=True)
class OtherPeoples:
    """A module of somebody else's, and a study of it."""

    idiom: str
    """What there is in it that a toolkit may get wrong."""
    model: str
    """Its import path, in ``modules/``."""
    data: str
    metric: str
    space: dict[str, Any]
    """What is sampled, by section."""
    direction: str = "maximize"
    init_args: dict[str, Any] = field(default_factory=dict)
    """The data's constructor arguments."""
    trainer: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the Lightning Trainer."""
    further: dict[str, Any] = field(default_factory=dict)
    """Further keys of the study file."""
    tested: bool = True
    """Whether there is a test set."""
    jump: float = 2e-3
    """What a metric may differ by in a pack, where rounding grows: it alone moves a bias in front of a batch norm."""
    writes: tuple[str, ...] = ()
    """What its own callbacks and loggers leave in a trial's folder, as patterns."""

    def study(self, name: str) -> dict[str, Any]:
        """The study file as a dictionary."""
        return {
            "name": name,
            "seed": 7,
            "metric": self.metric,
            "direction": self.direction,
            "model": {"class_path": self.model},
            "data": {"class_path": self.data, "init_args": self.init_args},
            "space": self.space,
            "trainer": {"max_epochs": 2, "accelerator": "cpu", **self.trainer},
            **self.further,
        }


def of_model(**parameters: Any) -> dict[str, Any]:
    """A space of the model alone."""
    return {"model": parameters}


TABLE: dict[str, OtherPeoples] = {
    "digits_cnn": OtherPeoples(
        "convolutions, batch norm, a torchmetrics collection updated in training_step and logged as an object",
        model="digits_cnn.LitCNN",
        data="digits_cnn.DigitsDataModule",
        metric="val_acc",
        space=of_model(lr=RATE),
        jump=0.03,
    ),
    "kaggle_mlp": OtherPeoples(
        "dropout; pandas; the last incomplete batch dropped",
        model="kaggle_mlp.LitMLP",
        data="kaggle_mlp.CancerData",
        metric="valid_loss",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "kaggle_mlp_sampled": OtherPeoples(
        "a sampled dropout and a sampled batch size",
        model="kaggle_mlp.LitMLP",
        data="kaggle_mlp.CancerData",
        metric="valid_loss",
        direction="minimize",
        space={"model": {"dropout": {"float": [0.1, 0.5]}}, "data": {"batch_size": {"choice": [16, 64]}}},
    ),
    "domains": OtherPeoples(
        "several validation loaders, several named test loaders",
        model="domains.DomainClassifier",
        data="domains.DomainDataModule",
        metric="val_acc/dataloader_idx_0",
        space=of_model(learning_rate=RATE),
    ),
    "detector_batches": OtherPeoples(
        "a batch class of its own; the data module moves, normalises and augments it on the device",
        model="detector_batches.ScanClassifier",
        data="detector_batches.ScanDataModule",
        metric="val/acc",
        space=of_model(lr=RATE),
    ),
    "gan": OtherPeoples(
        "manual optimisation, two optimizers",
        model="gan.GAN",
        data="gan.RingDataModule",
        metric="val_distance",
        direction="minimize",
        space=of_model(lr=RATE, b1={"choice": [0.5, 0.9]}),
    ),
    "bare_net": OtherPeoples(
        "no save_hyperparameters: a sampled activation, optimizer and width",
        model="bare_net.Net",
        data="bare_net.XorData",
        metric="val_acc",
        space=of_model(
            activation={"choice": ["tanh", "sine", "square"]}, optimizer={"choice": ["Adam", "RMSprop"]}, lr=RATE
        ),
    ),
    "bare_net_width": OtherPeoples(
        "no save_hyperparameters: a sampled width, with which the constructor's default does not load",
        model="bare_net.Net",
        data="bare_net.XorData",
        metric="val_loss",
        direction="minimize",
        space=of_model(width={"choice": [8, 24]}),
    ),
    "word2vec": OtherPeoples(
        "no forward: steps alone",
        model="word2vec.SkipGram",
        data="word2vec.SkipGrams",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr={"float": [0.01, 0.5], "log": True}),
    ),
    "one_cycle": OtherPeoples(
        "OneCycleLR by the step over estimated_stepping_batches, parameter groups, clipped gradients",
        model="one_cycle.WineNet",
        data="one_cycle.WineDataModule",
        metric="val_loss",
        direction="minimize",
        space=of_model(max_lr=RATE),
        trainer={"gradient_clip_val": 0.5},
    ),
    "one_cycle_unclipped": OtherPeoples(
        "the same without clipping, which packs could take",
        model="one_cycle.WineNet",
        data="one_cycle.WineDataModule",
        metric="val_loss",
        direction="minimize",
        space=of_model(max_lr=RATE, weight_decay={"float": [0.0, 0.1]}),
    ),
    "own_callbacks": OtherPeoples(
        "a ModelCheckpoint, an EarlyStopping and a LearningRateMonitor from configure_callbacks, and a logger",
        model="own_callbacks.MoonsModel",
        data="own_callbacks.Moons",
        metric="val_acc",
        space=of_model(lr=RATE),
        further={"logger": {"class_path": "pytorch_lightning.loggers.CSVLogger"}},
        writes=("moons-*.ckpt", "checkpoints/moons-*.ckpt", "*/checkpoints/moons-*.ckpt", "own_callbacks*/*/*"),
    ),
    "logs_histograms": OtherPeoples(
        "self.logger.experiment and a LearningRateMonitor without a logger; a batch size among both hyperparameters",
        model="logs_histograms.WaveNet",
        data="logs_histograms.Waves",
        metric="loss/val",
        direction="minimize",
        space={"model": {"lr": RATE}, "data": {"batch_size": {"choice": [16, 40]}}},
    ),
    "pendulum": OtherPeoples(
        "a module that makes itself float64",
        model="pendulum.Dynamics",
        data="pendulum.Pendulum",
        metric="val_mse",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "pendulum_precision": OtherPeoples(
        "a module and float32 data that the Trainer's precision makes float64",
        model="pendulum.SinglePrecisionDynamics",
        data="pendulum.Pendulum",
        init_args={"dtype": "float32"},
        metric="val_mse",
        direction="minimize",
        space=of_model(lr=RATE),
        trainer={"precision": "64-true"},
    ),
    "click_stream": OtherPeoples(
        "an iterable dataset without a length",
        model="click_stream.ClickModel",
        data="click_stream.ClickDataModule",
        metric="val_logloss",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "click_stream_limited": OtherPeoples(
        "an endless stream: so many batches an epoch, a validation every few steps",
        model="click_stream.ClickModel",
        data="click_stream.ClickDataModule",
        init_args={"n_train": 1_000_000},
        metric="val_logloss",
        direction="minimize",
        space=of_model(lr=RATE),
        trainer={"limit_train_batches": 12, "val_check_interval": 6, "check_val_every_n_epoch": None, "max_steps": 24},
    ),
    "ema": OtherPeoples(
        "an EMA copy of the network that validates; outputs in a list for on_train_epoch_end",
        model="ema.EMAClassifier",
        data="ema.IrisDataModule",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "configure_model": OtherPeoples(
        "layers built in configure_model",
        model="late_layers.ShardableModel",
        data="late_layers.GaussianBlobs",
        metric="val_acc",
        space=of_model(lr=RATE, hidden={"choice": [8, 16]}),
    ),
    "layers_from_data": OtherPeoples(
        "layers built in setup, from trainer.datamodule",
        model="late_layers.ModelFromData",
        data="late_layers.GaussianBlobs",
        metric="val_acc",
        space=of_model(lr=RATE),
    ),
    "segmenter": OtherPeoples(
        "the metric from outputs collected until on_validation_epoch_end, under a name with a slash",
        model="segmenter.Segmenter",
        data="segmenter.Squares",
        metric="val/iou",
        space=of_model(lr=RATE),
    ),
    "two_towers": OtherPeoples(
        "nested dictionaries as batches, a dictionary returned, ReduceLROnPlateau of val_loss",
        model="two_towers.TwoTowers",
        data="two_towers.RatingsData",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "template_module": OtherPeoples(
        "a network as an argument, kept out of the hyperparameters; metric objects as attributes; the best so far",
        model="template_module.DigitsLitModule",
        data="template_module.DigitsDataModule",
        metric="val/acc",
        space=of_model(lr=RATE),
    ),
    "configured_module": OtherPeoples(
        "a dataclass among the hyperparameters, and so in the checkpoints",
        model="template_module.ConfiguredModule",
        data="template_module.DigitsDataModule",
        metric="val/acc",
        space=of_model(lr=RATE, momentum={"float": [0.5, 0.95]}),
    ),
    "two_lightnings": OtherPeoples(
        "lightning.pytorch's module with pytorch_lightning's data, which normalise after the transfer",
        model="two_lightnings.Regression",
        data="two_lightnings.DiabetesData",
        metric="val_mae",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "char_lm": OtherPeoples(
        "tied weights, a GRU, accumulated gradients",
        model="char_lm.CharLM",
        data="char_lm.CharData",
        metric="val/loss",
        direction="minimize",
        space=of_model(learning_rate=RATE),
        trainer={"accumulate_grad_batches": 2},
    ),
    "augmented": OtherPeoples(
        "noise in forward, augmentation by Python's and numpy's random numbers",
        model="augmented.NoisyNet",
        data="augmented.AugmentedData",
        metric="val_acc",
        space=of_model(lr=RATE),
    ),
    "augmented_workers": OtherPeoples(
        "the same, the batches made in a loader's processes that persist",
        model="augmented.NoisyNet",
        data="augmented.AugmentedData",
        init_args={"num_workers": 1},
        metric="val_acc",
        space=of_model(sigma={"float": [0.0, 0.3]}),
    ),
    "sentiment": OtherPeoples(
        "TransformerEncoderLayer, learned positions, padding masks, dropout, a warm-up by the step",
        model="sentiment.SentimentTransformer",
        data="sentiment.SentimentDataModule",
        metric="val_acc",
        space=of_model(lr=RATE),
    ),
    "untested": OtherPeoples(
        "no test set at all, and neither forward nor hyperparameters; batches are tensors",
        model="untested.LitAutoEncoder",
        data="untested.Images",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr=RATE, latent={"int": [2, 4]}),
        tested=False,
    ),
    "scaled_targets": OtherPeoples(
        "a scaler fitted to the data, kept by on_save_checkpoint and on_load_checkpoint",
        model="scaled_targets.PriceModel",
        data="scaled_targets.HousesData",
        metric="val_mae",
        direction="minimize",
        space=of_model(lr=RATE),
    ),
    "warmed_up": OtherPeoples(
        "optimizer_step overridden for a warm-up, gradient norms logged before it",
        model="warmed_up.SpiralNet",
        data="warmed_up.Spirals",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr=RATE, warmup={"int": [4, 12]}),
    ),
    "finetuned": OtherPeoples(
        "a frozen backbone in evaluation mode, an optimizer of the head alone",
        model="finetuned.TransferModel",
        data="finetuned.SmallDigits",
        metric="valid_acc",
        space=of_model(lr=RATE),
    ),
}
