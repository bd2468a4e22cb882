"""Rules of masking are compiled when they are first used."""

import importlib
import re
from pathlib import Path

import pytest

import logs.redaction
from logs.redaction.late import late


def test_an_expression_is_compiled_at_its_first_use() -> None:
    """Until then it may even be wrong; from then on it finds what any other finds."""
    wrong = late("(")
    with pytest.raises(re.error):
        wrong.search("")
    words = late(r"(?P<first>a)b", re.IGNORECASE)
    for _ in range(2):
        assert words.sub(r"\g<first>", "xABx") == "xAx"
        found = words.search("xAB")
        assert found is not None
        assert (found["first"], found.span()) == ("A", (1, 3))
    assert words.pattern == r"(?P<first>a)b"


def test_all_rules_can_be_compiled() -> None:
    """None is wrong where only a rare text would show it."""
    late_ones = 0
    for path in Path(logs.redaction.__path__[0]).glob("*.py"):
        for value in vars(importlib.import_module(f"logs.redaction.{path.stem}")).values():
            many = value if isinstance(value, tuple) else [value]
            for one in many:
                for each in one if isinstance(one, tuple) else [one]:
                    if type(each) is type(late("")):
                        assert re.compile(each.pattern, each.flags)
                        late_ones += 1
    assert late_ones > 80
