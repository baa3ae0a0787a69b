"""The optional parameters of a Messages request: thinking, effort, tools, stop sequences and what goes with them.

Which model takes what: `models.Model`.  Wordings are those of the documentation or of public reports where there are
any (September to November 2026), else in the same manner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mock_server.errors import Where, invalid, is_list, is_object, is_whole, one_of, wrong
from mock_server.models import EFFORTS, Model

NEW_VERSION = "2026-10-21"
VERSIONS = ("2023-06-01", NEW_VERSION)
"""Released API versions (migration page, October 2026)."""

_SAMPLING = {"temperature": 1, "top_p": None, "top_k": None}
"""The sampling parameters and their defaults; the new version refuses them whatever their value."""

_KNOWN = frozenset(
    (
        *("model", "max_tokens", "messages", "stream", "system", "tools", "tool_choice", "thinking", "output_config"),
        *("stop_sequences", "metadata", "service_tier", "speed", "inference_geo", "cache_control", "container"),
        *("diagnostics", "user_profile_id", "context_management", "mcp_servers", *_SAMPLING),
    )
)

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1_024

_USE_ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
_USE_BETWEEN = (
    'Use "thinking.type.between_tools" for the lowest thinking setting, or "thinking.type.adaptive" and'
    ' "output_config.effort" to control thinking behavior.'
)


class Thinking(NamedTuple):
    """How the answer is thought about."""

    mode: str
    """adaptive, enabled (with a budget), between_tools or disabled."""
    shown: bool
    """Whether the thoughts are returned, or only their signature."""
    budget: int | None = None


class Tool(NamedTuple):
    """A tool whose use the client carries out."""

    name: str
    schema: Mapping[str, Any]


class Options(NamedTuple):
    """What the optional parameters say, defaults filled in."""

    thinking: Thinking
    effort: str
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    """auto, any, tool or none."""
    tool: str | None = None
    """The tool that `choice` names."""
    stop_sequences: tuple[str, ...] = ()
    format: Mapping[str, Any] | None = None
    """The JSON schema that the answer must satisfy."""
    speed: str = "standard"
    inference_geo: str = "global"

    @property
    def forced(self) -> bool:
        """Whether a tool must be used."""
        return self.choice in ("any", "tool")


def defaults(model: Model) -> Options:
    """The options of a request that has none."""
    return Options(Thinking("adaptive" if model.thinks else "disabled", model.shows_thinking), model.effort)


def read_options(params: Mapping[str, Any], model: Model, version: str, max_tokens: int | None = None) -> Options:
    """Check the optional parameters.  Raises RequestError."""
    for name in params:
        if name not in _KNOWN:
            raise invalid(f"{name}: Extra inputs are not permitted")
    _check_sampling(params, model, version)
    _check_plain(params)
    effort, schema = _read_output_config(params.get("output_config"), model)
    tools = _read_tools(params.get("tools"))
    choice, tool = _read_tool_choice(params, model)
    return Options(
        _read_thinking(params.get("thinking"), model, effort, max_tokens, forced=choice in ("any", "tool")),
        effort,
        tools,
        choice,
        tool,
        _read_stop_sequences(params.get("stop_sequences")),
        schema,
        _read_speed(params, model),
        _read_text(params, "inference_geo") or "global",
    )


def _check_sampling(params: Mapping[str, Any], model: Model, version: str) -> None:
    for name, default in _SAMPLING.items():
        if name not in params:
            continue
        if version == NEW_VERSION:
            raise invalid(f"{name}: Extra inputs are not permitted")
        value = params[name]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(f"{name}: Input should be a valid number")
        if not model.sampling and value != default:
            raise invalid(f"`{name}` is deprecated for this model.")
        if value < 0 or (name != "top_k" and value > 1):
            raise invalid(f"{name}: must be in the range from 0 to 1")


def _check_plain(params: Mapping[str, Any]) -> None:
    if params.get("service_tier") is not None:
        one_of(params["service_tier"], ("service_tier",), "auto", "standard_only")
    metadata = params.get("metadata")
    if metadata is not None and not is_object(metadata):
        raise invalid("metadata: Input should be an object")
    diagnostics = params.get("diagnostics")
    if diagnostics is not None and not is_object(diagnostics):
        raise invalid("diagnostics: Input should be an object")


def _read_output_config(config: object, model: Model) -> tuple[str, Mapping[str, Any] | None]:
    if config is None:
        return model.effort, None
    if not is_object(config):
        raise invalid("output_config: Input should be an object")
    effort = config.get("effort")
    if effort is not None:
        one_of(effort, ("output_config", "effort"), *EFFORTS)
        if not model.efforts:
            raise invalid("This model does not support the effort parameter.")
        if effort not in model.efforts:
            levels = ", ".join(sorted(model.efforts))
            raise invalid(f"This model does not support effort level '{effort}'. Supported levels: {levels}.")
    form = config.get("format")
    if form is None:
        return effort or model.effort, None
    if not is_object(form) or not is_object(form.get("schema")):
        raise invalid("output_config.format.schema: Field required")
    one_of(form.get("type"), ("output_config", "format", "type"), "json_schema")
    return effort or model.effort, form["schema"]


def _read_thinking(thinking: object, model: Model, effort: str, max_tokens: int | None, *, forced: bool) -> Thinking:
    if thinking is None:
        return defaults(model).thinking if not forced else Thinking("disabled", shown=False)
    if not is_object(thinking):
        raise invalid("thinking: Input should be an object")
    mode = one_of(thinking.get("type"), ("thinking", "type"), "adaptive", "enabled", "disabled", "between_tools")
    _check_mode(mode, model, effort)
    if forced and mode != "disabled":
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
    return Thinking(mode, _read_display(thinking, mode, model), _read_budget(thinking, mode, max_tokens))


def _check_mode(mode: str, model: Model, effort: str) -> None:
    if mode not in model.thinking:
        if mode == "adaptive":
            raise invalid("adaptive thinking is not supported on this model")
        use = _USE_BETWEEN if mode == "disabled" and "between_tools" in model.thinking else _USE_ADAPTIVE
        raise invalid(f'"thinking.type.{mode}" is not supported for this model. {use}')
    off_at_most_high = mode == "between_tools" or (mode == "disabled" and model.id in ("claude-opus-5",))
    if off_at_most_high and effort in ("xhigh", "max"):
        raise invalid(f'"thinking.type.{mode}" is not supported with "output_config.effort" {effort!r} on this model.')


def _read_display(thinking: Mapping[str, Any], mode: str, model: Model) -> bool:
    display = thinking.get("display")
    if mode == "between_tools":
        for name in thinking:
            if name != "type":
                raise invalid(f"thinking.between_tools.{name}: Extra inputs are not permitted")
        return True  # its progress updates come with their text
    if display is None:
        return model.shows_thinking
    if mode == "disabled":
        raise invalid("thinking.disabled.display: Extra inputs are not permitted")
    return one_of(display, ("thinking", mode, "display"), "summarized", "omitted") == "summarized"


def _read_budget(thinking: Mapping[str, Any], mode: str, max_tokens: int | None) -> int | None:
    if mode != "enabled":
        if "budget_tokens" in thinking:
            raise invalid(f"thinking.{mode}.budget_tokens: Extra inputs are not permitted")
        return None
    where: Where = ("thinking", "enabled", "budget_tokens")
    if "budget_tokens" not in thinking:
        raise wrong(where, "Field required")
    budget = thinking["budget_tokens"]
    if not is_whole(budget):
        raise wrong(where, "Input should be a valid integer")
    if budget < _LEAST_BUDGET:
        raise wrong(where, f"Input should be greater than or equal to {_LEAST_BUDGET}")
    if max_tokens and max_tokens <= budget:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return budget


def _read_tools(tools: object) -> tuple[Tool, ...]:
    """The tools that a client carries out; those of the server (`type: web_search_...`) are let pass."""
    if tools is None:
        return ()
    if not is_list(tools):
        raise invalid("tools: Input should be a valid list")
    names: set[str] = set()
    custom = []
    for place, tool in enumerate(tools):
        where: Where = ("tools", place)
        if not is_object(tool):
            raise wrong(where, "Input should be an object")
        is_custom = tool.get("type") in (None, "custom")
        name = _read_tool_name(tool, where, is_custom=is_custom)
        if name in names:
            raise invalid("tools: Tool names must be unique.")
        names.add(name)
        if is_custom:
            custom.append(Tool(name, _read_schema(tool, (*where, "custom", "input_schema"))))
    return tuple(custom)


def _read_tool_name(tool: Mapping[str, Any], where: Where, *, is_custom: bool) -> str:
    name = tool.get("name")
    if is_custom:
        if "name" not in tool:
            raise wrong((*where, "custom", "name"), "Field required")
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
            raise wrong((*where, "custom", "name"), "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
        return name
    if not isinstance(tool.get("type"), str):
        raise wrong((*where, "type"), "Input should be a valid string")
    return name if isinstance(name, str) else tool["type"]


def _read_schema(tool: Mapping[str, Any], where: Where) -> Mapping[str, Any]:
    if "input_schema" not in tool:
        raise wrong(where, "Field required")
    schema = tool["input_schema"]
    if not is_object(schema):
        raise wrong(where, "Input should be an object")
    if schema.get("type") != "object":
        raise wrong((*where, "type"), "Input should be 'object'" if "type" in schema else "Field required")
    return schema


def _read_tool_choice(params: Mapping[str, Any], model: Model) -> tuple[str, str | None]:
    choice = params.get("tool_choice")
    if choice is None:
        return "auto", None
    if not is_object(choice):
        raise invalid("tool_choice: Input should be an object")
    kind = one_of(choice.get("type"), ("tool_choice", "type"), "auto", "any", "tool", "none")
    if not params.get("tools"):
        raise invalid("tool_choice may only be specified while providing tools.")
    if kind in ("any", "tool") and not model.forced_tools:
        raise invalid('tool_choice: type "tool" and "any" are not supported for this model.')
    if kind != "tool":
        return kind, None
    name = choice.get("name")
    if not isinstance(name, str):
        raise invalid("tool_choice.tool.name: Field required")
    if name not in [tool.get("name") for tool in params["tools"]]:
        raise invalid(f"Tool '{name}' not found in provided tools")
    return kind, name


def _read_stop_sequences(sequences: object) -> tuple[str, ...]:
    if sequences is None:
        return ()
    if not is_list(sequences):
        raise invalid("stop_sequences: Input should be a valid list")
    for place, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise wrong(("stop_sequences", place), "Input should be a valid string")
        if not sequence.strip():
            raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    return tuple(str(sequence) for sequence in sequences)


def _read_speed(params: Mapping[str, Any], model: Model) -> str:
    if params.get("speed") is None:
        return "standard"
    speed = one_of(params["speed"], ("speed",), "standard", "fast")
    if speed == "fast" and not model.fast:
        raise invalid(f"'{model.id}' does not support the `speed` parameter.")
    return "standard" if model.id == "claude-opus-4-6" else speed


def _read_text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name}: Input should be a valid string")
    return value
