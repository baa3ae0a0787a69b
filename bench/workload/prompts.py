"""What each request says: a prompt from the dataset, or filler of exactly the wanted number of tokens."""

from __future__ import annotations

from collections.abc import Iterator

from bench.errors import UsageError
from bench.scenario import data
from bench.scenario.data import BadRow
from bench.scenario.model import Dataset
from mock_server.models import estimate_tokens, text_of_tokens

Prompt = tuple[str, int]
"""Its text and its expected tokens."""


def synthetic(seq: int, tokens: int, model: str) -> Prompt:
    """Filler that begins with the request's number, so that no two prompts share a prefix that a cache could serve."""
    return text_of_tokens(tokens, model, f"{seq}: "), tokens


def from_dataset(dataset: Dataset, model: str) -> Iterator[Prompt]:
    """The prompts of a file in order, over and over.  UsageError if the file was spoilt since loading."""
    while True:
        empty = True
        for prompt in data.prompts(dataset.path, dataset.field):
            if isinstance(prompt, BadRow):
                raise UsageError(f"{dataset.path}:{prompt.line}: {prompt.message}")
            empty = False
            yield prompt, estimate_tokens(prompt, model)
        if empty:
            raise UsageError(f"{dataset.path} has no rows")
