"""What the tests of `monitor` share: commands that are quick to start."""

from collections.abc import Iterator

import pytest

from tests.doubles.command_line import COMMANDS


@pytest.fixture(scope="session", autouse=True)
def commands_end() -> Iterator[None]:
    """The process that commands are forked from ends with the tests."""
    yield
    COMMANDS.close()
