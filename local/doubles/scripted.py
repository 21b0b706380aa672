"""The scripted model: prepared text in place of a model, for local runs, demonstrations and tests.

It needs no network, quotes the prompt, and gives the same answer to the same prompt every time. A prompt
may steer it with one directive in square brackets, any subset of

    [words=200 pause=0.05 after=1.5 silence=120 at=10 fail=throttled tool=current_time timezone=Asia/Tokyo]

    words    length of the answer in words (default: the whole of it, some 75)
    pause    seconds between words (default about 0.04, longer after a sentence)
    after    seconds before the first word
    silence  seconds of silence, once, after `at` words
    fail     throttled, unavailable, context, internal or secret: the failure raised after `at` words;
             `secret` raises an error whose text must never reach a caller. Or a broken model stream
             without an error: `cut` (ends after `at` words, without a stop reason), `cut-call` (ends in
             the arguments of `tool`), `bad-call` (calls `tool` with half of its arguments), `malformed`, `empty`
    at       a number of words; 0, the default, is before the first word for `fail` and after three
             for `silence`
    think    number of words of reasoning before the answer
    tool     name of a tool to call once before answering; any other key=value becomes its argument

Two tools are added to an agent that runs on this model, unless it has tools of these names: `wait` (arguments `seconds`
and `broken=true`), and `ask_first` (argument `question`), which interrupts the run until the user has decided.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from typing import Any

from strands import ToolContext, tool
from strands.models import Model
from strands.types.content import Messages
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.streaming import StreamEvent

from agent.errors import AgentError, Code
from agent.turn import REFUSED

__all__ = ["Script", "ScriptedModel", "ask_first", "wait"]

# Possessive quantifiers, so that no prompt makes it backtrack: a value has no bracket in it, and ends at a space.
_DIRECTIVE = re.compile(r"\[\s*+((?:[a-z_]++=[^\s\[\]]++\s*+)++)\]")
_SENTENCES = (
    "This answer comes from the scripted model, which runs without a network and always says the same. "
    "Every word is sent on its own, as a real model would send it, with a short pause in between. "
    "If the words arrive one after another, nothing on the way from the agent to you holds them back. "
    "If they arrive all at once, something on the way collects the answer before it passes it on. "
)
_NO_CONTENT = {"malformed": "malformed_model_output", "empty": "end_turn"}
_TOOL_CALL_FAULTS = {"cut-call", "bad-call"}
_QUOTED_WORDS = 30
_MAXIMUM = 1_000_000  # words, or seconds


@dataclass(frozen=True, slots=True)
class Script:
    """The answer that a prompt's directive describes. Times are seconds; `pause` None means natural pauses."""

    quote: str = ""
    words: int | None = None
    pause: float | None = None
    after: float = 0.0
    silence: float = 0.0
    at: int = 0
    fail: str | None = None
    think: int = 0
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, prompt: str) -> Script:
        """Read the first directive in `prompt`. An invalid value is ignored."""
        match = _DIRECTIVE.search(prompt)
        if match is None:
            return cls(quote=_quote(prompt))
        given: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for pair in match[1].split():
            key, _, text = pair.partition("=")
            value = _value(text)
            kind = _KINDS.get(key)
            if kind is None:
                arguments[key] = value
            elif _valid(value, kind):
                given[key] = value
        return cls(quote=_quote(prompt.replace(match[0], " ")), arguments=arguments, **given)

    def answer(self) -> list[str]:
        """Return exactly `words` words, the first of which quote the prompt; without a number, whole sentences."""
        opening = f"You asked: “{self.quote}”".split() if self.quote else []
        body = _SENTENCES.split()
        return [*opening, *body] if self.words is None else list(islice(chain(opening, cycle(body)), self.words))

    def pause_before(self, number: int, word: str) -> float:
        """Return the seconds to wait before word `number`, counted from 0."""
        latest = 3 if self.words is None else min(3, self.words - 1)
        silent = self.silence if number == (self.at or latest) else 0.0
        if number == 0:
            return self.after + silent
        natural = 0.025 + 0.0025 * len(word)
        return (natural if self.pause is None else self.pause) + silent


_KINDS: dict[str, type | tuple[type, ...]] = {
    "words": int,
    "pause": (int, float),
    "after": (int, float),
    "silence": (int, float),
    "at": int,
    "fail": str,
    "think": int,
    "tool": str,
}


def _valid(value: Any, kind: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return isinstance(value, str) or 0 <= value <= _MAXIMUM


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _quote(prompt: str) -> str:
    words = prompt.split()
    return " ".join(words[:_QUOTED_WORDS]) + (" …" if len(words) > _QUOTED_WORDS else "")


def _failure(kind: str) -> Exception:
    failures: dict[str, Exception] = {
        "throttled": AgentError(Code.MODEL_THROTTLED),
        "unavailable": ConnectionRefusedError("the scripted model is unavailable"),
        "context": ContextWindowOverflowException("the scripted context is too long"),
        "secret": RuntimeError("password=hunter2 arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"),
    }
    return failures.get(kind, RuntimeError("the scripted model failed"))


@tool
async def wait(seconds: float = 0, broken: bool = False) -> str:
    """Wait and then tell that the time is up.

    Args:
        seconds: How long to wait, in seconds.
        broken: Fail after the wait.
    """
    await asyncio.sleep(seconds)
    if broken:
        raise RuntimeError("the tool is broken: password=hunter2")
    return f"Waited {seconds:g} seconds."


@tool(context=True)
async def ask_first(tool_context: ToolContext, question: str = "May I?") -> str:
    """Ask the user for a decision before going on.

    Args:
        question: What the user decides.
    """
    answer = tool_context.interrupt("approval", reason=question)
    return "The user declined." if answer == REFUSED else "The user approved."


class ScriptedModel(Model):
    """A Strands model provider that streams the words of a `Script`."""

    brings_tools = (wait, ask_first)
    """Tools that an agent on this model has besides its own."""

    def update_config(self, **model_config: Any) -> None:
        """Do nothing: a prompt is the only configuration."""

    def get_config(self) -> dict[str, Any]:
        """Return the name under which traces list this model."""
        return {"model_id": "scripted"}

    async def structured_output(
        self, output_model: Any, prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError("the scripted model gives no structured output")
        yield {}

    async def stream(self, messages: Messages, *args: Any, **kwargs: Any) -> AsyncIterator[StreamEvent]:
        """Stream the answer to the last prompt in `messages`, one word an event."""
        prompt, called = _last_prompt(messages)
        script = Script.of(prompt)
        yield {"messageStart": {"role": "assistant"}}
        if script.tool and not called:
            async for event in _tool_call(script, f"scripted-{len(messages)}"):
                yield event
            return
        if script.fail in _NO_CONTENT:
            # Strands' type lacks some of Bedrock's stop reasons.
            yield {"messageStop": {"stopReason": _NO_CONTENT[script.fail]}}  # type: ignore[typeddict-item]
            yield _usage(len(prompt.split()), 0)
            return
        async for event in _answer(script, len(prompt.split())):
            yield event


async def _answer(script: Script, prompt_words: int) -> AsyncIterator[StreamEvent]:
    if script.think:
        for word in islice(cycle(_SENTENCES.split()), script.think):
            await asyncio.sleep(0.01 if script.pause is None else script.pause)
            yield {"contentBlockDelta": {"delta": {"reasoningContent": {"text": f"{word} "}}}}
        yield {"contentBlockStop": {}}
    words = script.answer()
    for number, word in enumerate(words):
        await asyncio.sleep(script.pause_before(number, word))
        if script.fail and number == script.at:
            if script.fail == "cut":
                return
            if script.fail not in _TOOL_CALL_FAULTS:
                raise _failure(script.fail)
        yield {"contentBlockDelta": {"delta": {"text": word if number == 0 else f" {word}"}}}
    yield {"contentBlockStop": {}}
    if script.fail == "cut":
        return
    yield {"messageStop": {"stopReason": "end_turn"}}
    yield _usage(prompt_words, len(words) + script.think)


async def _tool_call(script: Script, call_id: str) -> AsyncIterator[StreamEvent]:
    await asyncio.sleep(script.after)
    yield {"contentBlockStart": {"start": {"toolUse": {"name": script.tool or "", "toolUseId": call_id}}}}
    # A real model streams nothing at all for a call without arguments.
    arguments = json.dumps(script.arguments) if script.arguments else ""
    if script.fail in _TOOL_CALL_FAULTS:
        arguments = arguments[: len(arguments) // 2] or "{"
    yield {"contentBlockDelta": {"delta": {"toolUse": {"input": arguments}}}}
    if script.fail == "cut-call":
        return
    yield {"contentBlockStop": {}}
    yield {"messageStop": {"stopReason": "tool_use"}}
    yield _usage(1, 1)


def _usage(prompt: int, answer: int) -> StreamEvent:
    return {
        "metadata": {
            "usage": {"inputTokens": prompt, "outputTokens": answer, "totalTokens": prompt + answer},
            "metrics": {"latencyMs": 0},
        }
    }


def _last_prompt(messages: Messages) -> tuple[str, bool]:
    """Return the text of the last user message and whether a tool has answered since."""
    called = False
    for message in reversed(messages):
        if message["role"] != "user":
            continue
        text = "\n".join(block["text"] for block in message["content"] if "text" in block)
        if text:
            return text, called
        called = True
    return "", called
