"""Own prompts for a benchmark, from the text of a file; the command line and the page read them the same way."""

import json
import re

from monitor.core.errors import ConfigError


def parse_prompts(text: str, name: str) -> list[dict[str, str]]:
    """The prompts of a file, as a benchmark takes them: a line of JSON each with `prompt` (or `text`) and perhaps `name`, else texts between lines of `---`.

    Args:
        text: of the file.
        name: of the file, for prompts without a name of their own.

    Raises:
        ConfigError: it holds no prompt.
    """
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        rows = [{"prompt": part.strip()} for part in re.split(r"(?m)^---[ \t]*$", text)]
    known = [row if isinstance(row, dict) else {} for row in rows]
    found = [
        {
            "name": str(row.get("name") or f"{name} {number}")[:60],
            "text": str(row.get("prompt") or row.get("text") or ""),
        }
        for number, row in enumerate(known, 1)
    ]
    found = [prompt for prompt in found if prompt["text"]]
    if not found:
        raise ConfigError(
            "There is no prompt in this file.",
            hint='Write {"prompt": "…"} on each line, or texts between lines of ---.',
        )
    return found
