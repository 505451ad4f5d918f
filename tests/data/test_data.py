"""Images in memory: sources, the split, loaders, the sealed test set."""

import itertools
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightsearch.data import ImageData, sources
from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import read_images
from lightsearch.data.split import fold_indices, split_indices
from lightsearch.data.test_set import open_test_set
from lightsearch.errors import UserError
from tests.conftest import environment

DATA = os.environ.get("LIGHTSEARCH_DATA")
needs_mnist = pytest.mark.skipif(
    DATA is None or not Path(DATA, "MNIST").exists(), reason="no MNIST files (LIGHTSEARCH_DATA)"
)


def write_idx(folder: Path, n_train: int = 60, n_test: int = 20, size: int = 28, cut: int = 0) -> None:
    """Files in MNIST's format, of random images."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for side, n in (("train", n_train), ("t10k", n_test)):
        images = random.integers(0, 256, (n, size, size), dtype=np.uint8).tobytes()
        labels = (np.arange(n) % 10).astype(np.uint8).tobytes()
        header = struct.pack(">IIII", 0x803, n, size, size)
        (folder / f"{side}-images-idx3-ubyte").write_bytes((header + images)[: -cut or None])
        (folder / f"{side}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, n) + labels)


def test_digits_have_disjoint_sides() -> None:
    train, test = (read_images("digits", Path(), train=side) for side in (True, False))
    assert (len(train.labels), len(test.labels)) == (1438, 359)
    assert train.images.shape == (1438, 1, 8, 8)
    assert train.images.dtype == torch.uint8
    assert train.images.max() == 255
    assert train.classes == tuple("0123456789")
    seen = {image.numpy().tobytes() for image in train.images}
    assert sum(image.numpy().tobytes() in seen for image in test.images) == 0


def test_digits_are_those_of_scikit_learn_which_is_not_imported() -> None:
    from sklearn.datasets import load_digits

    code = (
        "import sys; from pathlib import Path; import lightsearch.launchers.preload\n"
        "from lightsearch.data.sources import read_images\n"
        "read_images('digits', Path(), train=True); sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
    digits, train = load_digits(), read_images("digits", Path(), train=True)
    kept = np.arange(len(digits.target)) % 5 != 4
    assert np.allclose(train.images.squeeze(1), digits.images[kept] * (255 / 16), atol=0.5)
    assert train.labels.tolist() == digits.target[kept].tolist()


def test_a_damaged_file_of_digits_is_one_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "digits.csv.gz"
    file.write_bytes(sources._digits_file().read_bytes()[:5000])
    monkeypatch.setattr(sources, "_digits_file", lambda: file)
    with pytest.raises(UserError, match=r"cannot be read.*install scikit-learn again"):
        read_images("digits", Path(), train=True)


def test_a_batch_has_the_values_of_torchvisions_to_tensor() -> None:
    from torchvision.transforms.functional import to_tensor

    images = torch.randint(0, 256, (10, 1, 28, 28), dtype=torch.uint8)
    batch, labels = next(iter(TensorLoader(images, torch.arange(10), 4)))
    expected = torch.stack([to_tensor(image.squeeze(0).numpy()) for image in images[:4]])
    assert torch.equal(batch, expected)
    assert labels.tolist() == [0, 1, 2, 3]


def test_a_shuffled_epoch_has_every_image_once_in_an_order_that_the_seed_decides() -> None:
    loader = TensorLoader(torch.zeros(10, 1, 2, 2, dtype=torch.uint8), torch.arange(10), 4, shuffle=True)

    def epoch(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return torch.cat([labels for _, labels in loader]).tolist()

    assert sorted(epoch(1)) == list(range(10))
    assert epoch(1) == epoch(1) != epoch(2)
    assert len(loader) == 3


def test_a_last_batch_of_one_image_is_left_out_of_training() -> None:
    def sizes(n: int, *, drop_last: bool) -> list[int]:
        images = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
        loader = TensorLoader(images, torch.zeros(n, dtype=torch.int64), 4, drop_last=drop_last)
        found = [len(labels) for _, labels in loader]
        assert len(found) == len(loader)
        return found

    assert sizes(9, drop_last=True) == [4, 4]
    assert sizes(10, drop_last=True) == [4, 4, 2]
    assert sizes(9, drop_last=False) == [4, 4, 1]
    with pytest.raises(ValueError, match="at least 1"):
        TensorLoader(torch.zeros(1), torch.zeros(1), 0)


@pytest.mark.parametrize("n", [16, 17, 18, 19, 20, 23])
def test_processes_share_the_images(n: int) -> None:
    images = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)

    def batches(rank: int, *, training: bool) -> list[list[int]]:
        torch.manual_seed(1)
        loader = TensorLoader(images, torch.arange(n), 4, shuffle=training, drop_last=training, share=(rank, 2))
        found = [labels.tolist() for _, labels in loader]
        assert len(found) == len(loader)
        return found

    ours, theirs = batches(0, training=False), batches(1, training=False)
    assert sorted(itertools.chain(*ours, *theirs)) == list(range(n))
    assert len(ours) == len(theirs)  # else one would wait for the other
    ours, theirs = batches(0, training=True), batches(1, training=True)
    seen = list(itertools.chain(*ours, *theirs))
    assert len(seen) == len(set(seen)) == (16 if n < 20 else n - n % 2)
    assert [len(batch) for batch in ours] == [len(batch) for batch in theirs]
    assert min(map(len, ours)) >= 2
    with pytest.raises(ValueError, match="1 images cannot be shared by 2 devices"):
        TensorLoader(images[:1], torch.arange(1), 4, share=(0, 2))


def test_the_split_depends_on_its_seed_alone() -> None:
    train, val = split_indices(100, 0.25, 3)
    assert (len(train), len(val)) == (75, 25)
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(100))
    assert torch.equal(split_indices(100, 25, 3)[1], val)
    assert not torch.equal(split_indices(100, 25, 4)[1], val)
    for size in (0, 0.0, 100, 99, 1.0, -1):
        with pytest.raises(UserError, match="val_size"):
            split_indices(100, size, 3)


def test_each_image_is_in_the_validation_side_of_one_fold() -> None:
    folds = [fold_indices(103, fold, 5, 3) for fold in range(5)]
    assert sorted(torch.cat([val for _, val in folds]).tolist()) == list(range(103))
    for train, val in folds:
        assert sorted([*train.tolist(), *val.tolist()]) == list(range(103))
        assert len(val) in (20, 21)
    assert not torch.equal(fold_indices(103, 0, 5, 4)[1], folds[0][1])
    digests = {ImageData(fold=fold, folds=3).describe()["split_hash"] for fold in range(3)}
    assert len(digests) == 3
    for fold, number in ((0, 1), (5, 5), (0, 52)):
        with pytest.raises(UserError):
            fold_indices(103, fold, number, 3)


def test_the_digest_names_the_split_and_the_data(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw")

    def digest(**options: object) -> str:
        data = ImageData("mnist", data_dir=str(tmp_path), **options)  # type: ignore[arg-type]
        return str(data.describe()["split_hash"])

    before = digest(val_size=10)
    assert before == digest(val_size=10, batch_size=7)
    assert before != digest(val_size=11)
    assert before != digest(val_size=10, split_seed=1)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert before != digest(val_size=10)


@pytest.mark.parametrize(
    ("dataset", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_torchvisions_files_are_read_as_they_lie(tmp_path: Path, dataset: str, folder: str) -> None:
    write_idx(tmp_path / folder / "raw")
    data = ImageData(dataset, data_dir=str(tmp_path), val_size=10)
    assert data.model_arguments == {"in_features": 784, "num_classes": 10}
    assert data.describe()["n_train"] == 50
    images, _ = next(iter(data.val_dataloader()))
    assert images.shape == (10, 1, 28, 28)
    assert len(open_test_set(data).test_dataloader().labels) == 20


def test_cifar_images_are_put_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    class Cifar:  # the real files are 170 MB, and their checksums cannot be imitated
        data = np.arange(2 * 32 * 32 * 3, dtype=np.int64).astype(np.uint8).reshape(2, 32, 32, 3)
        targets = (3, 1)
        classes = ("cat", "dog", "ship", "frog")

        def __init__(self, root: Path, train: bool, download: bool) -> None:
            pass

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Cifar)
    found = read_images("cifar10", tmp_path, train=True)
    assert found.images.shape == (2, 3, 32, 32)
    assert torch.equal(found.images[1, 2], torch.from_numpy(Cifar.data[1, :, :, 2]))
    assert found.labels.tolist() == [3, 1]


def test_a_folder_of_images_per_class(tmp_path: Path) -> None:
    for side in ("train", "test"):
        for label, name in enumerate(("ant", "bee")):
            (tmp_path / side / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", (6, 4), (100 * label, i, 0)).save(tmp_path / side / name / f"{i}.png")
    data = ImageData("folder", data_dir=str(tmp_path), val_size=2, image_size=5)
    assert data.model_arguments == {"in_features": 75, "num_classes": 2}
    assert data.describe()["classes"] == ["ant", "bee"]
    images, _ = next(iter(open_test_set(data).test_dataloader()))
    assert images.shape == (6, 3, 5, 5)


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        ("mnst", "data.init_args.dataset = 'mnst': did you mean \"mnist\"?"),
        ("folder", "needs train/<class>/"),
        ("mnist", "is damaged"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, dataset: str, line: str) -> None:
    write_idx(tmp_path / "MNIST" / "raw", cut=100)
    with pytest.raises(UserError) as refused:
        ImageData(dataset, data_dir=str(tmp_path))
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_files_name_the_folder_and_the_embedded_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody answers there
    with pytest.raises(UserError, match=r"studies/digits.toml") as refused:
        ImageData("mnist", data_dir=str(tmp_path / "none"))
    assert str(tmp_path / "none") in str(refused.value)
    assert not (tmp_path / "none").exists()


def test_a_search_cannot_reach_the_test_set() -> None:
    from pytorch_lightning.utilities.exceptions import MisconfigurationException

    with pytest.raises(MisconfigurationException):
        ImageData("digits").test_dataloader()


@needs_mnist
def test_mnist_is_split_as_in_the_tutorial() -> None:
    data = ImageData("mnist", data_dir=str(DATA), val_size=5000, split_seed=42)
    assert (data.describe()["n_train"], data.describe()["n_val"]) == (55_000, 5_000)
    assert data.train_dataloader().images.shape == (55_000, 1, 28, 28)
