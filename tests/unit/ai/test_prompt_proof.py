"""A prompt that a server cut in silence is found out, whatever the server; one that it read whole is not called cut."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.core.errors import BackendDown, BackendTimeout, Cancelled, ContextOverflow
from ai.core.types import Figure, Final, GenRequest, Message, Timings, Usage
from ai.prompt_integrity.check import DROPPED, FITS_ANYWHERE, PROOF_S, Doubt, PromptCheck
from ai.prompt_integrity.proof import UNSURE, Counter, proved
from tests.examples import examples

RULES = "Read the posting below and answer with the facts that it states, and with nothing else. " * 12
WORDS = (
    "nurse",
    "engineer",
    "Berlin",
    "responsibilities",
    "Kraftfahrzeugmechatroniker",
    "yard",
    "de",
    "the",
    "C++",
    "2,500",
    "työntekijä",
)


LIMITS: dict[str, Callable[[int], int]] = {
    "its context": lambda context: context,
    "half of its context": lambda context: context // 2 + 2,
    "its context but for an answer": lambda context: context - 64,
}
"""What a server really reads of a prompt, by the context it names."""
CUTS: dict[str, Callable[[list[str], int], list[str]]] = {
    "its beginning": lambda tokens, room: tokens[-room:],
    "its end": lambda tokens, room: tokens[:room],
    "its middle": lambda tokens, room: tokens[: room // 2] + tokens[room // 2 - room :],
    "blocks of half the room": lambda tokens, room: tokens[-(len(tokens) - -(-(len(tokens) - room) // (room // 2)) * (room // 2)) :],
    "a fifth, until it fits": lambda tokens, room: next(tokens[at:] for at in fifths(len(tokens)) if len(tokens) - at <= room),
    "more, the longer it is": lambda tokens, room: tokens[-(room - len(tokens) % (room // 3)) :],
}  # fmt: skip
"""What of the tokens of a prompt that is too long a server leaves, by the room it has."""


def fifths(length: int) -> Iterator[int]:
    """Where a text begins of which a fifth is taken away again and again."""
    left = length
    while left > 1:
        left -= max(left // 5, 1)
        yield length - left


FRAME = 11
"""Tokens of the template around a message."""


@dataclass
class Server:
    """Counts tokens by an own vocabulary of pieces, reads what fits, and cuts the rest in silence.

    `piece`: characters of the longest token; `leaves`: the share of its limit that is left of a longer prompt; `keeps`: it leaves out what it still has
    of the prompt before.
    """

    context: int = 4096
    limit: str = "its context"
    piece: int = 5
    leaves: float = 1.0
    keeps: bool = False
    cut: str = "its beginning"
    calls: int = 0
    _last: list[str] = field(default_factory=list)

    def tokens(self, messages: tuple[Message, ...]) -> list[str]:
        """Of a conversation, with the template's."""
        pieces = re.compile(rf"[\u3040-\u30ff\u4e00-\u9fff]{{1,3}}| ?\w{{1,{self.piece}}}| ?[^\w\s]|\n+|\s+")
        return [
            token
            for message in messages
            for token in [*(f"<{message.role}>",) * FRAME, *pieces.findall(message.content)]
        ]

    def room(self) -> int:
        """Tokens of the longest prompt that is not cut."""
        return LIMITS[self.limit](self.context)

    def left(self, tokens: list[str]) -> list[str]:
        """What it reads of a prompt."""
        return tokens if len(tokens) <= self.room() else CUTS[self.cut](tokens, int(self.room() * self.leaves))

    def doubles(self, tokens: int) -> bool:
        """Whether it leaves, by chance, twice as much of twice the text, and little: blocks that a few tokens too many have begun. To ask that cannot tell it from a whole one."""
        once, twice = (len(self.left(["x"] * length)) for length in (tokens, 2 * tokens - FRAME))
        return once <= FITS_ANYWHERE and abs(twice - (2 * once - FRAME)) <= FRAME

    def read(self, messages: tuple[Message, ...]) -> int:
        """How many tokens it says that a prompt has."""
        self.calls += 1
        tokens = self.left(self.tokens(messages))
        kept = 0
        while self.keeps and kept < min(len(tokens) - 1, len(self._last)) and tokens[kept] == self._last[kept]:
            kept += 1
        self._last = tokens
        return len(tokens) - kept

    async def count(self, messages: tuple[Message, ...]) -> float | None:
        """As a counter."""
        return self.read(messages)


@dataclass
class Client:
    """What a back end does with each answer."""

    server: Server
    check: PromptCheck = field(default_factory=PromptCheck)
    exact: bool = False

    def ask(self, *texts: str) -> Final:
        """The end of an answer to a system message and others."""
        roles = ("system", "user") if len(texts) > 1 else ("user",)
        request = GenRequest(tuple(Message(role, text) for role, text in zip(roles, texts, strict=True)))
        counted = self.server.read(request.messages)
        exact = self._exactly if self.exact else None
        return asyncio.run(proved(self.check, request, END, counted, Counter(self.server.count, exact)))

    async def _exactly(self, messages: tuple[Message, ...]) -> float | None:
        return len(self.server.tokens(messages))


END = Final(0, 1, "stop", Usage(Figure(1, "reported"), Figure(1, "reported")), Timings())

prose = st.builds(
    lambda words, times, at: (" ".join(words) + ". ") * times + f"NEEDLE {at}",
    st.lists(st.sampled_from(WORDS), min_size=6, max_size=30),
    st.integers(1, 60),
    st.integers(0, 9),
)
texts = prose | st.builds(
    lambda sign, times: f"NEEDLE {sign * times}",
    st.sampled_from(("求人情報です。", "donau", "=+", "a\n")),
    st.integers(1, 900),
)


servers = st.builds(
    Server,
    st.integers(400, 6000),
    st.sampled_from(sorted(LIMITS)),
    st.integers(3, 9),
    cut=st.sampled_from(sorted(CUTS)),
)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(
    asked=st.lists(st.tuples(st.sampled_from(("", RULES)), texts), min_size=1, max_size=5),
    server=servers,
    data=st.data(),
)
def test_whatever_a_server_cuts_is_found_and_nothing_else(
    asked: list[tuple[str, str]], server: Server, data: st.DataObject
) -> None:
    """Any text, vocabulary, context (told or not) and limit: the first prompt is judged as rightly as the last one."""
    told = data.draw(st.booleans(), "told")
    context = server.context if told else None
    client = Client(server, PromptCheck(context), exact=data.draw(st.booleans(), "exact"))
    longest = 0
    for rules, text in asked:
        given_ = (rules, text) if rules else (text,)
        tokens = len(server.tokens(tuple(Message("user", one) for one in given_)))
        whole = tokens <= server.room()
        longest = max(longest, tokens if whole else 0)
        final = client.ask(*given_)
        if " " not in text.removeprefix("NEEDLE ") and 0 < tokens - server.room() < tokens / 40:
            continue  # parts of a text without blanks begin within words, and may each have a token more than they add
        dense = " " not in text.removeprefix("NEEDLE ") and len(server.left(["x"] * tokens)) <= longest
        if context is None and not whole and (dense or server.doubles(tokens)):
            continue  # it leaves less than it could read, of a text that has more tokens a character than any before
        assert final.truncated != whole, final.notes
        assert (DROPPED in final.notes) == final.truncated


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(asked=st.lists(prose, min_size=1, max_size=5), server=servers)
def test_a_server_that_leaves_out_what_it_kept_is_no_cutter(asked: list[str], server: Server) -> None:
    """An older Ollama counts only what it had to read anew: of prompts that fit none is called cut."""
    server.keeps = True
    client = Client(server, PromptCheck(server.context))
    for text in asked:
        if len(server.tokens((Message("user", RULES), Message("user", text)))) <= server.room():
            assert not client.ask(RULES, text).truncated


def test_a_server_that_leaves_out_what_it_kept_is_found_out_when_it_cuts() -> None:
    """Whether it counts what it kept is found out by asking the same twice."""
    server = Server(3000, keeps=True)
    client, words = Client(server, PromptCheck(3000)), "Kraftfahrzeugmechatroniker in Charlottenburg. "
    assert not client.ask(RULES, words * 60).truncated
    assert not client.ask(RULES, f"Also: {words * 120}").truncated
    assert client.check.counts_kept is False
    assert client.ask(RULES, f"NEEDLE: {words * 250}").truncated
    assert not client.ask(RULES, f"Then: {words * 120}").truncated


def test_a_prompt_that_lost_half_is_found_among_shorter_ones_that_were_whole() -> None:
    """The context is not told, and what is left of the prompt is less than what was proven before: it is too little for its length."""
    server = Server(8192, "half of its context", piece=3, leaves=0.5)
    client, words = Client(server), "Kraftfahrzeugmechatroniker in Charlottenburg. "
    assert not client.ask(words * 180).truncated
    assert client.check.proven > 2500
    calls = server.calls
    assert client.ask(f"NEEDLE {words * 330}").truncated
    assert server.calls > calls + 1  # no rule of thumb decides: it was counted again


def test_a_prompt_that_fills_what_was_proven_is_not_taken_for_granted() -> None:
    """One prompt had as many tokens as the server reads at most; a longer one, cut to that, has as many."""
    server = Server(2000, piece=9)
    client, filling = Client(server), "nurse " * (2000 - FRAME - 1) + "x"
    assert len(server.tokens((Message("user", filling),))) == server.room()
    assert not client.ask(filling).truncated
    calls = server.calls
    assert not client.ask(filling).truncated
    assert server.calls == calls + 1
    assert client.ask(f"NEEDLE {filling}").truncated


def test_a_proof_holds_for_a_while() -> None:
    """A server that was started again with less context meanwhile is found out."""
    now = [0.0]
    server, text = Server(8192), "We share lunch in the yard and talk about the weather of the week. " * 200
    client = Client(server, PromptCheck(clock=lambda: now[0]))
    assert not client.ask(text).truncated
    server.context = 2048
    now[0] = PROOF_S + 1
    assert client.ask(text[: len(text) // 2 + 9000]).truncated


def test_a_route_that_counts_the_beginning_of_the_answer_too_accuses_nobody() -> None:
    """Where it says a few tokens more than were read, the parts decide; where it says many more, they need not be asked."""
    server, text = Server(4096), "We share lunch in the yard of the house. " * 300
    request = GenRequest((Message("user", text),))

    async def more(messages: tuple[Message, ...]) -> float | None:
        return len(server.tokens(messages)) + 3

    for cut in (False, True):
        asked = request if not cut else replace(request, messages=(Message("user", f"NEEDLE {text * 2}"),))
        counted, calls = server.read(asked.messages), server.calls
        final = asyncio.run(proved(PromptCheck(), asked, END, counted, Counter(server.count, more)))
        assert final.truncated == cut
        assert (server.calls == calls) == cut


def test_what_was_proven_once_is_not_counted_again() -> None:
    """A prompt no longer than one that was proven costs nothing; a longer one is counted once."""
    server, text = Server(8192), "We share lunch in the yard and talk about the weather of the week. " * 120
    client = Client(server)
    assert not client.ask(text).truncated
    proving = server.calls - 1
    assert 2 < proving < 20
    for cut_off in (0, 10, 3000):
        assert not client.ask(text[cut_off:]).truncated
    assert server.calls == proving + 4
    assert not client.ask(text * 2).truncated
    assert server.calls < proving + 5 + 20


def test_a_short_prompt_is_never_counted_twice() -> None:
    """What fits into half of the smallest context anywhere is not in doubt."""
    server = Server(2048)
    client = Client(server, PromptCheck(2048))
    for times in range(1, 11):
        assert not client.ask(f"{times}. " + "We share lunch in the yard of the house. " * 4 * times).truncated
    assert server.read((Message("user", "We share lunch in the yard of the house. " * 40),)) < FITS_ANYWHERE
    assert server.calls == 11


def test_a_server_that_names_no_context_is_asked_once_more_about_a_short_prompt() -> None:
    """It reads 300 tokens and cuts a prompt of 350 at the first one already; of whole prompts only one that is longer than all before is asked about."""
    text = "We share lunch in the yard of the house. "
    cutter = Server(300)
    client = Client(cutter)
    asked = f"NEEDLE {text * 34}"
    assert 340 < len(cutter.tokens((Message("user", asked),))) < 380
    assert client.ask(asked).truncated
    assert not client.ask(text * 20).truncated  # twice that is more than it reads: the parts decide, as they did before
    server = Server(2048)
    client = Client(server)
    for again in range(3):
        assert not client.ask(f"{again} {text * 34}").truncated
    assert server.calls == 5


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(room=st.integers(120, 480), cut=st.sampled_from(sorted(CUTS)), times=st.integers(8, 60), piece=st.integers(3, 9))
def test_a_small_room_is_found_out_however_a_server_cuts(room: int, cut: str, times: int, piece: int) -> None:
    """It names no context; what is left of a longer prompt is not the same each time, and may grow with it."""
    server = Server(room, piece=piece, cut=cut)
    text = f"NEEDLE {'We share lunch in the yard of the house in Charlottenburg. ' * times}"
    whole = len(server.tokens((Message("user", text),))) <= room
    assert Client(server).ask(text).truncated != whole


def test_a_server_that_refuses_what_is_too_long_cuts_nothing() -> None:
    """It names no context, and has no room for the text twice."""
    server = Server(500)

    async def count(messages: tuple[Message, ...]) -> float | None:
        if len(server.tokens(messages)) > server.room():
            raise ContextOverflow("too long")
        return server.read(messages)

    request = GenRequest((Message("user", "We share lunch in the yard of the house. " * 34),))
    counted = server.read(request.messages)
    assert not asyncio.run(proved(PromptCheck(), request, END, counted, Counter(count))).truncated


@pytest.mark.parametrize("context", [300, 2048])
def test_a_server_that_names_no_context_and_leaves_out_what_it_kept(context: int) -> None:
    """Its count of a prompt with more words at the end is that of the words: the parts decide."""
    server = Server(context, keeps=True)
    asked = f"NEEDLE {'We share lunch in the yard of the house. ' * 34}"
    assert Client(server).ask(asked).truncated == (context == 300)


@pytest.mark.parametrize(("error", "told"), [(BackendDown("gone"), "gone"), (None, "does not say")])
def test_what_nobody_can_tell_is_marked_as_such(error: BackendDown | None, told: str) -> None:
    """A server that fails while it counts, or says no count: the answer is not taken for one to the whole prompt, and says why."""

    async def count(_: tuple[Message, ...]) -> float | None:
        if error is not None:
            raise error
        return None

    request = GenRequest((Message("user", "We share lunch in the yard. " * 400),))
    final = asyncio.run(proved(PromptCheck(), request, END, 2500, Counter(count)))
    assert final.truncated
    assert final.notes[-1].startswith(UNSURE)
    assert told in final.notes[-1]


def test_a_route_for_counting_that_fails_is_not_needed() -> None:
    """What imitates a server that counts is asked in the other way."""
    server = Server(4096)

    async def broken(_: tuple[Message, ...]) -> float | None:
        raise BackendTimeout("late", phase="health", waited_s=5)

    request = GenRequest((Message("user", "We share lunch in the yard. " * 300),))
    final = asyncio.run(
        proved(PromptCheck(), request, END, server.read(request.messages), Counter(server.count, broken))
    )
    assert not final.truncated


def test_who_cancels_is_obeyed_while_a_server_counts() -> None:
    """It is no failure of the server."""

    async def count(_: tuple[Message, ...]) -> float | None:
        raise Cancelled("stopped")

    request = GenRequest((Message("user", "We share lunch in the yard. " * 400),))
    for counter in (Counter(count), Counter(count, count)):
        with pytest.raises(Cancelled):
            asyncio.run(proved(PromptCheck(), request, END, 2500, counter))


def test_a_server_that_does_not_count_is_believed() -> None:
    """Nothing can be held against it; its answers say that it does not count."""
    check = PromptCheck()
    assert check.read(None, ["We share lunch in the yard. " * 400]) == "whole"
    assert check.read(0, ["We share lunch in the yard. " * 400]) == "whole"


def test_density_is_learned_from_what_was_read_whole() -> None:
    """A count in doubt teaches nothing until it is proven."""
    check, text = PromptCheck(), "We share lunch in the yard. " * 400
    before = check.density
    doubt = check.read(2500, [text])
    assert isinstance(doubt, Doubt)
    assert check.density == before
    check.proved(doubt)
    assert check.density == pytest.approx(2500 / len(text))
    again = check.read(900, [text[:8000]])
    assert check.density == pytest.approx(2500 / len(text))  # what was kept may not be counted
    assert isinstance(again, Doubt)
