"""`--help` of every command, read as a whole."""

import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from monitor.cli.app import parser
from monitor.cli.core.options import ORDER

TYPE_NAMES = {"STR", "TEXT", "INT", "INTEGER", "FLOAT", "BOOL", "PATH", "STRING"}
Page = TyperCommand | TyperGroup


def tree(page: Page, words: tuple[str, ...] = ("watchkeeper",)) -> Iterator[tuple[tuple[str, ...], Page]]:
    """Every command that is shown, with the words that call it."""
    if not page.hidden:
        yield words, page
        for name, below in getattr(page, "commands", {}).items():
            yield from tree(below, (*words, name))


PAGES = dict(tree(parser()))
each_page = pytest.mark.parametrize("words", PAGES, ids=" ".join)


def shown(words: tuple[str, ...]) -> str:
    """What `--help` prints."""
    context = typer.Context(parser(), info_name="watchkeeper")
    for name in words[1:]:
        context = typer.Context(context.command.commands[name], info_name=name, parent=context)
    return context.get_help()


@each_page
def test_a_command_says_in_one_sentence_what_it_does(words: tuple[str, ...]) -> None:
    """The first paragraph is one sentence, short enough to stand whole in the list of commands."""
    first = (PAGES[words].help or "").partition("\n\n")[0].replace("\n", " ")
    assert first[:1].isupper()
    assert first.endswith(".")
    assert ". " not in first
    if len(words) > 1:
        assert len(first) <= 64


@each_page
def test_a_command_shows_an_example_that_its_parser_takes(words: tuple[str, ...]) -> None:
    """The example stands at the end of the help, calls this command (or one below it), and every word of it is understood."""
    line = shown(words).splitlines()[-1].strip()
    example = shlex.split(line)
    assert tuple(example[: len(words)]) == words
    page, rest = parser(), example[1:]
    context = typer.Context(page, info_name="watchkeeper")
    while rest and rest[0] in getattr(page, "commands", {}):
        page, context, rest = page.commands[rest[0]], typer.Context(page.commands[rest[0]], parent=context), rest[1:]
    page.make_context(page.name, rest, parent=context)


@each_page
def test_every_option_and_argument_is_explained(words: tuple[str, ...]) -> None:
    """Each has a help that ends a sentence; each that takes a value names it by its meaning, not by its type."""
    for parameter in PAGES[words].params:
        if getattr(parameter, "hidden", False):
            continue
        name = f"{' '.join(words)} {parameter.name}"
        assert parameter.help, name
        assert parameter.help.endswith("."), name
        if not getattr(parameter, "is_flag", False):
            metavar = parameter.metavar or ""
            assert metavar, name
            assert metavar == metavar.upper(), name
            assert metavar not in TYPE_NAMES - ({"TEXT"} if parameter.name == "text" else set()), name


@each_page
def test_help_shows_no_type_and_no_python(words: tuple[str, ...]) -> None:
    """No `<str>`, `list[…]` or range of the parser is printed."""
    text = shown(words)
    assert not [word for word in ("<", "list[", "x>=", "{", "None") if word in text]


def test_commands_stand_in_the_order_of_use() -> None:
    """The first thing to do stands first, not the first letter of the alphabet."""
    names = [
        line.split()[0] for line in shown(("watchkeeper",)).partition("Commands:\n")[2].splitlines() if line.strip()
    ]
    assert names[: len(ORDER) - 1] == [name for name in ORDER if name != "dashboard"]
    assert set(ORDER) == set(parser().commands)
