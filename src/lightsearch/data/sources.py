"""Image data sets, read into memory as a whole."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightsearch.errors import Mistake, UserError, did_you_mean, first_line


@dataclass(frozen=True)
class Images:
    """One side of a data set, in memory."""

    images: Tensor
    """(N, C, H, W) uint8 in [0, 255]. It takes a quarter of the memory of float32, and of the traffic on a GPU."""
    labels: Tensor
    """(N,) int64 in [0, classes)."""
    classes: tuple[str, ...]
    """Names of the classes, by label."""


Source = Callable[[Path, bool, int | None], Images]
"""Reads a side of a data set: the folder of the data files, whether it is the training side, the image size."""


def read_images(dataset: str, data_dir: Path, *, train: bool, image_size: int | None = None) -> Images:
    """Reads one side of a data set.

    Args:
        dataset: A key of ``SOURCES``.
        data_dir: Folder of the data files, in torchvision's layout. For ``folder``: the one that holds
            ``train/<class>/*.png`` and ``test/<class>/*.png``.
        train: The training side, or the test side, for which only ``test_set`` may ask.
        image_size: Height and width in pixels to which the images of a folder are scaled. None: those of the first.

    Raises:
        UserError: if the data set is unknown, damaged, or missing and cannot be downloaded.
    """
    if dataset not in SOURCES:
        raise UserError(Mistake("data.init_args.dataset", dataset, did_you_mean(dataset, SOURCES)))
    return SOURCES[dataset](data_dir, train, image_size)


def _digits(_data_dir: Path, train: bool, _image_size: int | None) -> Images:
    """The 1,797 digits of 8 x 8 pixels of scikit-learn. They have no test side: every fifth is a test image."""
    file = _digits_file()
    try:
        # (1797, 65): 64 pixels in [0, 16] and the label. Read without scikit-learn, whose import takes seconds.
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8).reshape(-1, 65)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        hint = f"{file} cannot be read ({first_line(error)[:200]}); install scikit-learn again"
        raise UserError(Mistake("data.init_args.dataset", "digits", hint)) from error
    test = np.arange(len(table)) % 5 == 4
    side = torch.from_numpy(table[~test if train else test])
    images = (side[:, :64].double() * (255 / 16)).round().to(torch.uint8)
    return Images(images.view(-1, 1, 8, 8), side[:, 64].long(), tuple("0123456789"))


def _digits_file() -> Path:
    """The file of scikit-learn's ``load_digits``."""
    package = find_spec("sklearn")  # which imports nothing
    if package is None or package.origin is None:
        hint = "is a part of scikit-learn, which is not installed: pip install scikit-learn"
        raise UserError(Mistake("data.init_args.dataset", "digits", hint))
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _torchvision(name: str) -> Source:
    def read(data_dir: Path, train: bool, _image_size: int | None) -> Images:
        import torchvision

        source = getattr(torchvision.datasets, name)
        try:
            data = source(data_dir, train=train, download=False)
        except RuntimeError as error:
            if "not found" not in str(error):
                raise _damaged(data_dir / name, error) from error
            data = _download(source, data_dir, train)
        except (ValueError, AssertionError, EOFError, OSError) as error:
            raise _damaged(data_dir / name, error) from error
        images, labels = torch.as_tensor(data.data), torch.as_tensor(data.targets).long()
        if len(images) != len(labels):
            raise _damaged(data_dir / name, f"{len(images)} images but {len(labels)} labels")
        # MNIST and its like are (N, H, W), CIFAR is (N, H, W, C).
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        return Images(images, labels, tuple(str(name) for name in data.classes))

    return read


def _download(source: Any, data_dir: Path, train: bool) -> Any:
    existed = data_dir.exists()
    try:
        return source(data_dir, train=train, download=True)
    except (RuntimeError, OSError) as error:
        if not existed:  # torchvision made it for the download
            shutil.rmtree(data_dir, ignore_errors=True)
        raise _unavailable(source.__name__, data_dir, error) from error


def _folder(data_dir: Path, train: bool, image_size: int | None) -> Images:
    """One folder of images per class, decoded once."""
    import torchvision
    from PIL import Image

    folder = data_dir / ("train" if train else "test")
    try:
        files = torchvision.datasets.ImageFolder(str(folder))
        size = image_size or Image.open(files.samples[0][0]).size[1]
        images = [
            np.asarray(Image.open(path).convert("RGB").resize((size, size)), dtype=np.uint8)
            for path, _ in files.samples
        ]
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = f"needs {folder.name}/<class>/*.png in it ({first_line(error)[:200]})"
        raise UserError(Mistake("--data-dir", str(folder.parent), hint)) from error
    except OSError as error:
        raise _damaged(folder, error) from error
    labels = torch.tensor([label for _, label in files.samples])
    return Images(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), labels, tuple(files.classes))


SOURCES: dict[str, Source] = {
    "digits": _digits,
    "mnist": _torchvision("MNIST"),
    "fashion_mnist": _torchvision("FashionMNIST"),
    "kmnist": _torchvision("KMNIST"),
    "cifar10": _torchvision("CIFAR10"),
    "folder": _folder,
}


def _unavailable(name: str, data_dir: Path, error: Exception) -> UserError:
    return UserError(
        Mistake(
            "--data-dir",
            str(data_dir.absolute()),
            f"{name} is not in it and cannot be downloaded ({first_line(error)[:200]}); "
            f"name the folder that holds {name}/, or use the embedded data: --study studies/digits.toml",
        )
    )


def _damaged(path: Path, reason: object) -> UserError:
    hint = f"is damaged ({first_line(reason)[:200]}); delete it and fetch it again"
    return UserError(Mistake("--data-dir", str(path.absolute()), hint))
