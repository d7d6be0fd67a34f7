"""One frozen settings object: flags over environment (`NETRA_…`) over `netra.toml` in the data folder."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from netra_backend.app.loopback import Network, address_of, is_loopback

__all__ = ["OTHER_VARIABLES", "BadSetting", "Settings", "check_variables", "load_settings"]

PREFIX = "NETRA_"

OTHER_VARIABLES = {
    "NETRA_URL": "The server that the commands speak to; none: the last started or logged in to.",
    "NETRA_EXAMPLES": "How many examples the property tests try (`make examples`).",
}
"""Variables with the prefix that are no settings of the server."""

_SERVICE_LINK = re.compile(r"NETRA_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")
"""What Kubernetes sets in every container beside a service that is called netra (Service, "Environment variables")."""


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_NOT_EXTRA_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "cookie"}
)
"""Headers that say how a request is carried, which is nobody's to set; a cookie would be everybody's."""

_SECRET_FIELD = re.compile(r"(?i)key|token|secret|password|auth|credential")
"""Fields of a request's body that have secrets in them."""
_OWN_FIELDS = {
    "messages": "it's the conversation",
    "model": "set NETRA_MODEL",
    "stream": "set NETRA_MODEL_STREAMING",
    "stream_options": "set NETRA_MODEL_STREAM_OPTIONS",
    "tools": "they are the agent's (NETRA_MODEL_TOOLS turns them off)",
    "temperature": "set NETRA_MODEL_TEMPERATURE",
    "max_tokens": "set NETRA_MODEL_MAX_TOKENS",
    "max_completion_tokens": "set NETRA_MODEL_MAX_TOKENS",
    "reasoning_effort": "set NETRA_MODEL_REASONING_EFFORT",
}
"""What a request's body has from elsewhere, and where that is set."""


class BadSetting(Exception):
    """A setting can't be used. The message names the setting, what is wrong and what is accepted."""


class Settings(BaseSettings):
    """Everything that can be set. Times are seconds, sizes are bytes, unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="NETRA_", frozen=True, extra="forbid", env_ignore_empty=True)

    # Where things are
    data_dir: Path = Field(default_factory=lambda: Path.home() / ".netra")
    """Database, sessions of the commands on this machine, and `netra.toml`. Made for its owner only."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0: one that is free."""
    public_url: str | None = None
    """The address people type; its origin is the one that browsers may open sockets from. Without a path: Netra has a
    host name to itself."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Further names and addresses under which it may be asked (the `Host` header), comma-separated, beside
    `public_url`'s, `localhost`, and the address at which a connection comes in."""
    allow_insecure_http: bool = False
    """Plain http on an address that isn't loopback: passwords and sessions travel readable."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Addresses and networks of the proxies in front, comma-separated, such as `127.0.0.1,10.0.0.0/8,fd00::/8`. Only
    they are believed when they say on whose behalf they ask."""
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which the trusted proxies write the client's address. Name the one they set themselves: the other
    is passed on as the client sent it."""

    # The agent and its model
    agent: str | None = None
    """`package.module:name` of a pydantic_ai.Agent; None: the agent that `model` implies."""
    model: str = "offline"
    """`offline`, or `openai:NAME`: a model of any server that speaks the OpenAI API."""
    model_base_url: str | None = None
    """The server's address, up to before `/chat/completions`; none: OpenAI's own."""
    model_api_key: SecretStr | None = None
    """The key that the model server asks for."""
    model_client: Literal["lean", "sdk"] = "lean"
    """Who reads the model's stream: Netra itself, at a tenth of the cost, or the OpenAI client."""
    model_extra_headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Headers of every request to the model server, as a JSON object; their values are never shown."""
    model_extra_body: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Fields of every request's body besides those that Netra writes, as a JSON object."""
    model_temperature: float | None = Field(default=None, ge=0, le=10, allow_inf_nan=False)
    """How freely the model picks its words; none: as its server does by itself."""
    model_max_tokens: int | None = Field(default=None, ge=1)
    """The longest answer, as the model counts tokens; an answer that is cut there says so."""
    model_reasoning_effort: str | None = Field(default=None, pattern="^[a-z]{1,20}$")
    """How much the model thinks, in the words of its server (`low`, `medium`, `high`, …)."""
    model_streaming: bool = True
    """Off: the model is asked for whole answers, which are shown when they come."""
    model_tools: bool = True
    """Off: the model is offered no tools."""
    model_stream_options: bool = True
    """Off: the model server isn't asked to count the tokens of a streamed answer."""
    model_refusal_memory: float = Field(default=600, ge=0)
    """How long a part of a request that the server refused for this model is left out."""
    model_connect_timeout: float = Field(default=10, gt=0)
    """How long connecting to the model server may take."""
    model_first_token_timeout: float = Field(default=120, gt=0)
    """How long the model may take until its first word."""
    model_idle_timeout: float = Field(default=120, gt=0)
    """How long the model may be silent in the middle of its answer."""
    model_max_response_bytes: int = Field(default=128 * 1024 * 1024, ge=1024)
    """What is read of one answer of the model server, with all that the API puts around its text."""
    model_max_event_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """One piece of a streamed answer, or a whole answer that isn't streamed."""
    model_max_tool_calls: int = Field(default=64, ge=1)
    """Tools that the model may call in one answer."""
    model_max_argument_chars: int = Field(default=1_000_000, ge=100)
    """The arguments of all tool calls of one answer together."""
    model_opens_thinking: bool = False
    """The model's template opens its thinking (`<think>`), so that an answer begins inside it, with no tag before."""
    model_retries: int = Field(default=2, ge=0, le=10)
    """How often a request is repeated, and only while no token of it has arrived."""
    run_timeout: float = Field(default=3600, gt=0)
    """How long one run may take, tools included."""
    run_request_limit: int = Field(default=50, ge=1)
    """Model requests in one run (each tool turn is one)."""
    run_token_limit: int | None = Field(default=None, ge=1)
    """Tokens that one run may use, in and out; none: as many as it needs."""
    max_answer_chars: int = Field(default=1_000_000, ge=1000)
    """Answer and reasoning of one run together; beyond it the run ends as `usage_limit`, with what it wrote."""
    history_turns: int = Field(default=50, ge=0)
    """Earlier turns of the thread that the model is given, at most."""
    history_chars: int = Field(default=200_000, ge=0)
    """Characters of earlier turns that the model is given, at most: texts, reasoning, tool arguments and results, as
    UTF-8 JSON holds them (a token is about four; one outside ASCII counts two to four). The newest turns that fit are
    given, the older ones are left out whole, and the user is told so."""
    history_tool_chars: int = Field(default=4_000, ge=100)
    """Characters of one tool's arguments, and of its result, that later turns are given; the rest is left out with a
    note for the model."""
    tool_result_chars: int = Field(default=100_000, ge=100)
    """Characters of one tool result that the model is given in the turn itself; the middle is left out with a note."""
    request_results_chars: int = Field(default=400_000, ge=100)
    """Characters of all tool results that one request to the model carries; beyond it each gets 500."""
    stop_grace: float = Field(default=1.0, ge=0)
    """How long a stopped run's tools may take to end before they are abandoned."""

    # Limits
    max_text_chars: int = Field(default=100_000, ge=1)
    """The text of one message."""
    max_frame_bytes: int = Field(default=512 * 1024, ge=1024)
    """One frame of a socket, or one body of a request."""
    max_tool_value_chars: int = Field(default=8_000, ge=100)
    """Tool parameters and results longer than this are cut before they are logged."""
    max_result_chars: int = Field(default=10_000_000, ge=1000)
    """What one tool may return (the model is given `tool_result_chars` of it), and the structured output of one run, as
    JSON; longer fails the run."""
    max_sockets_per_user: int = Field(default=20, ge=1)
    """Sockets that one user may have open; more are closed (4429)."""
    max_running_runs: int = Field(default=200, ge=1)
    """Runs that work at a time; others wait in line."""
    max_running_runs_per_user: int = Field(default=5, ge=1)
    """Runs of one user that work at a time; others wait in line."""
    max_queued_runs_per_user: int = Field(default=20, ge=0)
    """Runs of one user that may wait in line; more are refused."""
    max_threads_per_user: int = Field(default=10_000, ge=1)
    """Conversations that one user may have."""
    max_pinned_threads_per_user: int = Field(default=50, ge=0, le=200)
    """Of these, so many may be pinned: all pinned ones are told whenever a page begins."""
    messages_per_minute: int = Field(default=60, ge=1)
    """Of one user."""
    requests_per_second: int = Field(default=30, ge=1)
    """Of one user over HTTP, after as many at once; what comes faster waits up to two seconds, and beyond that is
    refused (429). Stops are counted apart, so that they don't wait behind anything else."""
    searches_per_minute: int = Field(default=60, ge=1)
    """Of one user, tools included; besides, four may be under way, and each is ended after two seconds."""
    socket_queue_bytes: int = Field(default=256 * 1024, ge=1024)
    """Events held for one socket; beyond it the socket reads on from the log."""
    socket_stall_timeout: float = Field(default=60, gt=0)
    """A socket that takes nothing for this long is closed (4408)."""
    authentication_timeout: float = Field(default=5, gt=0)
    """How long a socket may take to say who it is (4401)."""
    sync_tool_threads_per_user: int = Field(default=4, ge=1)
    """Threads for one user's tools that aren't async; further calls wait."""

    # Connections, before anybody has said who they are
    max_head_bytes: int = Field(default=32 * 1024, ge=4096, le=1024 * 1024)
    """Request line and headers together; beyond it 431."""
    max_url_bytes: int = Field(default=8000, ge=100, le=8000)
    """Beyond it 414. RFC 9110, 4.1 recommends 8000; a WebSocket's handshake can have no more."""
    max_header_bytes: int = Field(default=8192, ge=256, le=8192)
    """One header, name and value; beyond it 431. A WebSocket's handshake can have no more."""
    max_headers: int = Field(default=100, ge=10, le=128)
    """Beyond it 431. A WebSocket's handshake can have no more than 128."""
    head_timeout: float = Field(default=10, gt=0)
    """From the connection, or from the first byte of a further request, until its head is whole; beyond it 408."""
    body_timeout: float = Field(default=60, gt=0)
    """From the head until the body is whole; beyond it 408."""
    keep_alive_timeout: float = Field(default=75, gt=0)
    """How long an idle HTTP connection is kept. Longer than clients and proxies keep theirs (5 to 60), so that none
    sends a request into a connection that is just being closed."""
    answer_stall_timeout: float = Field(default=30, gt=0)
    """A client that takes less than 240 bytes a second of its answer, over this long, is cut off."""
    max_strangers: int = Field(default=1024, ge=1)
    """Connections on which nobody has said yet who they are. Beyond it the one that has kept the server waiting
    longest makes room, or else the new one gets 503."""
    max_strangers_per_address: int = Field(default=256, ge=1)
    """As many of them from one address (with IPv6 a /64); beyond it as above, with 429."""

    # The log
    merge_window: float = Field(default=0.05, ge=0)
    """Text deltas of a run are gathered this long, at most, once text is flowing."""
    merge_bytes: int = Field(default=1024, ge=1)
    """Gathered text that is written before `merge_window` is over."""
    run_buffer_bytes: int = Field(default=256 * 1024, ge=1024)
    """What one run may hold while the log can't take it; then the model's stream is not read."""
    retention_events: int = Field(default=200_000, ge=100)
    """Events kept per user, at least; older ones are answered with a gap. Messages are kept."""
    retention_days: float = Field(default=90, gt=0)
    """Days for which events are kept, at least."""

    # Log-in
    session_days: float = Field(default=30, gt=0)
    """Days after which a session ends, and one signs in again."""
    sign_in_code_minutes: float = Field(default=60, gt=0)
    """Minutes for which a sign-in link works."""
    login_attempts_per_minute: int = Field(default=10, ge=1)
    """From one address at one account; a device on which the account signed in before has as many of its own. Attempts
    from many addresses, or at many accounts, are slowed down instead (`auth/attempts.py`)."""

    # Ending
    drain_grace: float = Field(default=10, ge=0)
    """SIGTERM: how long running runs may go on before they are ended."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return tuple(_network(part) for part in _listed(value))

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if value == "offline" or (kind == "openai" and name.strip()):
            return value
        raise ValueError("use 'offline' or 'openai:NAME' (any OpenAI-compatible server, see NETRA_MODEL_BASE_URL)")

    @field_validator("model_extra_headers")
    @classmethod
    def _sendable_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _NOT_EXTRA_HEADERS:
                raise ValueError(f"{name!r} can't be set as a header; use names such as X-Title")
            if not _HEADER_VALUE.fullmatch(secret.get_secret_value()):
                raise ValueError(f"the value of {name} must be printable ASCII, on one line")
        return value

    @field_validator("model_extra_body")
    @classmethod
    def _fields_of_others(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name in _OWN_FIELDS:
                raise ValueError(f"{name} is written by Netra; {_OWN_FIELDS[name]}")
        return value

    @field_validator("agent")
    @classmethod
    def _agent_path(cls, value: str | None) -> str | None:
        if value is not None:
            module, _, name = value.partition(":")
            if not module or not name:
                raise ValueError("use package.module:name")
        return value

    @field_validator("model_base_url", "public_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        _parts_of(value)
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _a_host_to_itself(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = _parts_of(value)
        host = parts.netloc.rpartition("@")[2]
        if parts.path or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(
                f"Netra has a host name to itself, and can't be served below a path: use {parts.scheme}://{host}"
            )
        return f"{parts.scheme}://{_ascii(host)}"

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _host_names(cls, value: object) -> object:
        return tuple(_host_name(part) for part in _listed(value))

    @model_validator(mode="after")
    def _plain_http_needs_consent(self) -> Settings:
        """Looks at what is listened on, and at what people are told to type."""
        if self.allow_insecure_http:
            return self
        public = urlsplit(self.public_url) if self.public_url is not None else None
        consent = "or set NETRA_ALLOW_INSECURE_HTTP=true"
        if public is not None and public.scheme == "http" and not is_loopback(public.hostname or ""):
            raise ValueError(
                f"plain http at {self.public_url} sends passwords readable over the network; put https in front and"
                f" set NETRA_PUBLIC_URL=https://…, {consent}"
            )
        proxied = public is not None and public.scheme == "https" and self.trusted_proxies
        if not is_loopback(self.host) and not proxied:
            raise ValueError(
                f"listening on {self.host} serves plain http to other machines, and passwords travel readable over the"
                " network; listen on 127.0.0.1 (NETRA_HOST), or put https in front, set NETRA_PUBLIC_URL=https://…"
                f" and name the proxy's address in NETRA_TRUSTED_PROXIES, {consent}"
            )
        return self

    @property
    def model_secrets(self) -> list[str]:
        """What is sent to the model server and never shown, also where the server quotes it."""
        secrets = [*self.model_extra_headers.values(), *([self.model_api_key] if self.model_api_key else [])]
        in_body = [str(value) for name, value in self.model_extra_body.items() if _SECRET_FIELD.search(name)]
        return [secret for secret in (*(each.get_secret_value() for each in secrets), *in_body) if secret]

    @property
    def database_path(self) -> Path:
        return self.data_dir / "netra.db"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then `netra.toml` in the data folder that those two name."""
        folder = {**env_settings(), **init_settings()}.get("data_dir", Path.home() / ".netra")
        toml = TomlConfigSettingsSource(settings_cls, toml_file=Path(folder).expanduser() / "netra.toml")
        return init_settings, env_settings, toml


def _listed(value: object) -> list[str]:
    """What a comma-separated value (environment) or a list (`netra.toml`) names."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("use a list, or commas between the values")
    return [text for part in cast("Sequence[object]", parts) if (text := str(part).strip())]


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass  # brackets or a port that can't be
    raise ValueError("use a whole address such as https://host[:port]")


def _ascii(host: str) -> str:
    """A host as browsers send it: lower case, and other letters than English ones in their `xn--` form."""
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError(f"{host!r} is no host name") from None


def _host_name(text: str) -> str:
    address = address_of(text)
    if address is not None:
        return str(address)
    name = _ascii(text).removesuffix(".")
    if not re.fullmatch(r"[0-9a-z_-]([0-9a-z._-]{0,251}[0-9a-z_-])?", name):
        raise ValueError(f"{text!r} is no host name; give each name by itself, without port, path or *")
    return name


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        try:
            wider = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is neither an address nor a network such as 10.0.0.0/8") from None
        raise ValueError(f"{text!r} has bits set beyond its prefix; write {wider}") from error
    if found.prefixlen == 0:
        raise ValueError(f"{text!r} is everybody: anybody could say that they ask for somebody else")
    return found


def check_variables() -> None:
    """Raises `BadSetting` for a `NETRA_` variable that nothing reads: a misspelt one would silently do nothing."""
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in settings or upper in OTHER_VARIABLES:
            continue
        if not _SERVICE_LINK.fullmatch(upper):
            nearest = _nearest(
                upper.removeprefix(PREFIX), [*Settings.model_fields, "url"], lambda it: PREFIX + it.upper()
            )
            raise BadSetting(f"{name}: there is no such setting{nearest}")


def load_settings(**flags: object) -> Settings:
    """The settings in force. `flags` are values given on the command line; None means not given.

    Raises `BadSetting`, naming the first setting that can't be used and where it can be mended.
    """
    check_variables()
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType] - pydantic checks the values
    except ValidationError as error:
        raise BadSetting(_explain(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"netra.toml in the data folder is not valid TOML: {error}") from None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{name} (netra.toml): there is no such setting{_nearest(name, Settings.model_fields)}"
    if not name:
        return reason
    if name == "port" and "://" in os.environ.get("NETRA_PORT", ""):
        reason = (
            "use a number. This one looks like what Kubernetes sets beside a service called netra: call the service"
            " otherwise, or set enableServiceLinks: false"
        )
    return f"{name} (NETRA_{name.upper()}): {reason}"


def _nearest(name: str, known: Iterable[str], spelled: Callable[[str], str] = str) -> str:
    """The end of a sentence that says what may have been meant."""
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if not found:
        return "; docs/settings.md and `netra doctor --all` have those there are"
    return f"; did you mean {spelled(found[0])}?"
