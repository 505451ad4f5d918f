"""The surest wrong answers: which are kept, how they look, and where they are shown."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from lightsearch.confirm.wrong_answers import MOST, WrongAnswers
from lightsearch.confirm.wrong_answers_picture import wrong_answers_svg

N, CLASSES = 100, 3


def answers(*shape: int, probabilities: bool = False) -> WrongAnswers:
    """Two batches; the prediction is wrong for every second sample, and the surer the later it comes."""
    found = WrongAnswers()
    images = torch.arange(N * int(np.prod(shape)), dtype=torch.float32).view(N, *shape)
    labels, outputs = torch.zeros(N, dtype=torch.long), torch.zeros(N, CLASSES)
    outputs[torch.arange(N), torch.arange(N) % 2] = torch.linspace(1, 4, N)
    outputs = outputs.softmax(dim=1) if probabilities else outputs
    for part in (slice(0, 60), slice(60, N)):
        found.add(images[part], labels[part], outputs[part])
    return found


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_surest_are_kept_in_their_order(probabilities: bool) -> None:
    found = answers(1, 4, 5, probabilities=probabilities).surest()
    assert [one.number for one in found] == list(range(N - 1, N - 1 - 2 * MOST, -2))
    assert found[0].probability == pytest.approx(float(torch.tensor([0.0, 4.0, 0.0]).softmax(0)[1]))
    assert {(one.label, one.predicted) for one in found} == {(0, 1)}
    assert (found[0].pixels.shape, found[0].pixels.min(), found[0].pixels.max()) == ((4, 5), 0, 255)


def test_what_is_an_image() -> None:
    assert answers(3, 4, 5).surest()[0].pixels.shape == (4, 5, 3)
    assert answers(7).surest() == answers(4, 5).surest() == answers(2, 4, 5).surest() == []


def test_the_picture_has_every_image_with_its_classes() -> None:
    kept = answers(3, 4, 5).surest()
    svg = wrong_answers_svg(kept, ["<cat> & dog", "a very long name of a class", "c"])
    root = ElementTree.fromstring(svg)
    images = root.findall("{http://www.w3.org/2000/svg}image")
    assert len(images) == len(kept)
    picture = Image.open(io.BytesIO(base64.b64decode(images[0].attrib["href"].split(",")[1])))
    assert np.array_equal(np.asarray(picture), kept[0].pixels)
    assert re.search(r"not a very long n…, 9\d%", svg)


def test_a_picture_of_large_images_is_small() -> None:
    noise = WrongAnswers()
    noise.add(torch.rand(MOST, 3, 224, 224), torch.zeros(MOST, dtype=torch.long), torch.eye(2)[[1] * MOST])
    assert len(wrong_answers_svg(noise.surest(), ["a", "b"])) < 1_500_000
