from pathlib import Path

import pytest

from lightsearch.errors import UserError
from lightsearch.study.stored import differences, find_study
from tests.conftest import digits, open_queue


def test_an_unknown_study_lists_the_ones_there_are(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    with pytest.raises(UserError, match="there are: digits"):
        find_study(queue.storage, "digit")


def test_differences() -> None:
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "d": 3}) == [
        "c: 2 in the study, nothing in the file",
        "d: nothing in the study, 3 in the file",
    ]
