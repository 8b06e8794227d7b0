"""MNIST and Fashion-MNIST: 70,000 images of 28 × 28 pixels in ten classes.

They are too large to come with the package. They are read from a folder that has them, and
otherwise downloaded, once.

To add a set of the same form: a `Source`, and a function like `mnist`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataFileError
from .download import Known, fetch
from .idx import read_idx

SIDE = 28  # pixels


@dataclass(frozen=True, eq=False, repr=False)
class LabelledImages:
    """Images and what they show.

    Parameters
    ----------
    images : ndarray of float32, shape (n, 784)
        One image a row, its 28 × 28 pixels row by row, 0 (background) to 1.
    labels : ndarray of int64, shape (n,)
        The class of each, from 0 on.
    names : tuple of str
        What the classes are called.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Any) -> LabelledImages:
        """Return some of the images: `train[:100]`, `train[indices]`."""
        return LabelledImages(self.images[rows], self.labels[rows], self.names)

    def __repr__(self) -> str:
        return f"LabelledImages({len(self):,} images, {len(self.names)} classes)"

    @property
    def targets(self) -> NDArray[np.float32]:
        """The labels one-hot, shape (n, classes): 1 in the label's column, 0 elsewhere."""
        targets = np.zeros((len(self), len(self.names)), np.float32)
        targets[np.arange(len(self)), self.labels] = 1.0
        return targets


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The two parts of a set as it is published.

    Parameters
    ----------
    train : LabelledImages
        What to learn from; 60,000 images.
    test : LabelledImages
        What to be judged by at the end; 10,000 images.
    """

    train: LabelledImages
    test: LabelledImages

    def split(self, validation: int = 10_000) -> tuple[LabelledImages, ...]:
        """Return (training, validation, test) images.

        Parameters
        ----------
        validation : int
            How many are held out to choose settings by: the last ones of `train`. With 10,000
            these are the three parts of M. Nielsen, "Neural Networks and Deep Learning" (2015),
            chapter 1: 50,000, 10,000 and 10,000 images.

        Raises
        ------
        ValueError
            If it leaves nothing to learn from.
        """
        rest = len(self.train) - validation
        if validation < 0 or rest < 1:
            raise ValueError(
                f"validation must leave some of the {len(self.train):,} images to learn from, "
                f"not be {validation!r}"
            )
        return self.train[:rest], self.train[rest:], self.test


@dataclass(frozen=True)
class Source:
    """Where a set is to be had.

    Parameters
    ----------
    title : str
        Its name in messages.
    folders : tuple of str
        Where it lies in a folder of data: the first is where a download goes, the others are
        where other programs put it.
    addresses : tuple of str
        Folders in the web that have its files.
    files : tuple of Known
        Training images and labels, test images and labels.
    names : tuple of str
        Of the classes.
    """

    title: str
    folders: tuple[str, ...]
    addresses: tuple[str, ...]
    files: tuple[Known, Known, Known, Known]
    names: tuple[str, ...]


# The checksums are those that torchvision checks (pytorch/vision, datasets/mnist.py); for
# Fashion-MNIST they are in its authors' README too.
MNIST = Source(
    "MNIST",
    ("mnist", os.path.join("MNIST", "raw")),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        Known("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        Known("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        Known("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        Known("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    tuple("0123456789"),
)
FASHION_MNIST = Source(
    "Fashion-MNIST",
    ("fashion-mnist", os.path.join("FashionMNIST", "raw")),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    (
        Known("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Known("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        Known("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        Known("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
)  # fmt: skip


def mnist(folder: str | os.PathLike[str] | None = None, *, download: bool = True) -> ImageSet:
    """Return MNIST, 70,000 handwritten digits.

    Parameters
    ----------
    folder : str or path, optional
        A folder that has the four IDX files, compressed or not, or has them in `mnist` inside.
        By default the folder named by the variable CHAINRULE_DATA, then the user's own
        (`~/.local/share/chainrule` on Linux).
    download : bool
        Whether to download what is missing, 12 MB, into the first of these folders.

    Returns
    -------
    ImageSet
        `.train`, `.test`, each with `.images`, `.labels` and `.targets`; `.split()` gives
        (training, validation, test).

    Raises
    ------
    DataFileError
        If a file is damaged, or is missing and cannot be downloaded.

    Notes
    -----
    Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998).

    What is downloaded is held against its published checksum. Files that were there before must
    be well-formed and fit together, and may otherwise be others: a smaller set, or letters.
    """
    return _loaded(MNIST, folder, download)


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None, *, download: bool = True
) -> ImageSet:
    """Return Fashion-MNIST, 70,000 pieces of clothing in the form of MNIST.

    Parameters
    ----------
    folder : str or path, optional
        As for `mnist`; inside, the folder is called `fashion-mnist`.
    download : bool
        Whether to download what is missing, 31 MB.

    Returns
    -------
    ImageSet
        As from `mnist`; `.train.names` are the ten classes.

    Raises
    ------
    DataFileError
        If a file is damaged, or is missing and cannot be downloaded.

    Notes
    -----
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms" (2017), arXiv:1708.07747.
    """
    return _loaded(FASHION_MNIST, folder, download)


# ---------------------------------------------------------------------- finding the files


def data_folders(folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the folders in which data is looked for, best first."""
    if folder is not None:
        return [os.path.expanduser(os.fspath(folder))]
    named = os.environ.get("CHAINRULE_DATA")
    return [*([os.path.expanduser(named)] if named else []), _users_folder()]


def _users_folder() -> str:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        base = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative one is ignored
        base = "~/Library/Application Support" if sys.platform == "darwin" else "~/.local/share"
    return os.path.join(os.path.expanduser(base), "chainrule")


def _loaded(source: Source, folder: str | os.PathLike[str] | None, download: bool) -> ImageSet:
    tops = data_folders(folder)
    paths = _found(source, tops, given=folder is not None)
    if paths is None:
        paths = _downloaded(source, tops, download)
    train, test = _part(paths[:2], source), _part(paths[2:], source)
    return ImageSet(train, test)


def _found(source: Source, tops: list[str], given: bool) -> list[str] | None:
    """Return the paths of the four files in the first folder that has them all."""
    for top in tops:
        # The folder itself may be the one. But the files of all sets have the same names, so
        # CHAINRULE_DATA=.../mnist must not give MNIST to those who ask for Fashion-MNIST.
        is_one = given or ("fashion" in top.lower()) == ("fashion" in source.title.lower())
        for inside in (*source.folders, *([""] if is_one else [])):
            paths = [_present(os.path.join(top, inside, known.name)) for known in source.files]
            if all(paths):
                return [path for path in paths if path]
    return None


def _present(path: str) -> str | None:
    """Return the path of a file, compressed or unpacked, if it is there."""
    for name in (path, path.removesuffix(".gz")):
        if os.path.isfile(name):
            return name
    return None


def _downloaded(source: Source, tops: list[str], download: bool) -> list[str]:
    folder = os.path.join(tops[0], source.folders[0])
    names = [known.name for known in source.files]
    if not download:
        raise DataFileError(
            f"{source.title} is not in {' or '.join(tops)}: its files are {', '.join(names)}. "
            f"Put them into {folder}, or set CHAINRULE_DATA to the folder that has them."
        )
    paths = [os.path.join(folder, name) for name in names]
    for known, path in zip(source.files, paths, strict=True):
        try:
            fetch(known, source.addresses, path)
        except (DataFileError, OSError) as reason:
            raise DataFileError(
                f"{source.title} is not in {' or '.join(tops)}, and {reason}\n"
                f"Without a network: bring {', '.join(names)} from another machine into {folder}, "
                "or set CHAINRULE_DATA to a folder that has them. The next call goes on from what "
                "has been downloaded."
            ) from None
    return paths


def _part(paths: list[str], source: Source) -> LabelledImages:
    """Read images and their labels."""
    pixels = read_idx(paths[0], shape=(None, SIDE, SIDE))
    labels = read_idx(paths[1], shape=(len(pixels),))
    for path, array in zip(paths, (pixels, labels), strict=True):
        if array.dtype != np.uint8:
            raise DataFileError(f"{path} holds {array.dtype}; expected were bytes (uint8).")
    if len(labels) and labels.max() >= len(source.names):
        raise DataFileError(
            f"{paths[1]} has the label {labels.max()}; {source.title} has 0 to "
            f"{len(source.names) - 1}."
        )
    images = np.divide(pixels.reshape(len(pixels), SIDE * SIDE), 255, dtype=np.float32)
    return LabelledImages(images, labels.astype(np.int64), source.names)
