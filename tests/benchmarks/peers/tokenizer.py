"""A tokenizer for load generators that will not start without one and would fetch it from a hub.

Each byte is a token.  Prompts get shorter by it, and to split them costs what it costs; nothing else depends on it.
"""

from __future__ import annotations

import json
from pathlib import Path


def write_tokenizer(folder: Path) -> None:
    """Write one in the form that transformers loads from a folder."""
    folder.mkdir()
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "vocab": {letter: at for at, letter in enumerate(_letters())}, "merges": []}
    whole = {"version": "1.0", "added_tokens": [], "pre_tokenizer": level, "decoder": level, "model": model}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1_000_000}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _letters() -> list[str]:
    """What stands for each byte in such a file: itself where it can be seen, else a letter beyond Latin-1."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in seen else chr(next(others)) for byte in range(0x100)]
