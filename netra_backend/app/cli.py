"""The command line: how each command is called. What it does is in `commands/`, imported when it is called, so that
`netra --help` is quick and a client doesn't load the server."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from netra_backend.app.commands.credentials import data_folder
from netra_backend.app.commands.failure import INTERRUPTED, Failure

__all__ = ["main"]

app = typer.Typer(
    help="Start agents, watch them work, stop them, come back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
users = typer.Typer(help="Accounts; works with or without a running server.", no_args_is_help=True)
app.add_typer(users, name="user")

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The data folder (NETRA_DATA_DIR, else ~/.netra).", show_default=False)
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The server (NETRA_URL, else the last started or logged in to).", show_default=False),
]
Email = Annotated[str, typer.Argument(help="The account's e-mail address.", show_default=False)]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"netra {version('netra-backend')}")
        raise typer.Exit


@app.callback()
def netra(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    # `doctor` says it among everything else that it finds.
    if context.invoked_subcommand != "doctor":
        _check_variables()


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any [8000].", show_default=False)] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser at it.")] = False,
    agent: Annotated[
        str | None, typer.Option(help="A pydantic_ai.Agent as package.module:name.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve from the data folder until Ctrl-C."""
    from netra_backend.app.commands.up import up

    up(open_browser=open_browser, host=host, port=port, agent=agent, data_dir=data_folder(data_dir))


@app.command()
def chat(
    message: Annotated[str | None, typer.Argument(help="What to say; none: converse.", show_default=False)] = None,
    thread: Annotated[str | None, typer.Option(help="Go on in this thread.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as they came, one per line.")] = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Say something and watch the agent. Ctrl-C stops the run, again quits.

    Exits with 0 if the run completed, 1 if it failed, 130 if Ctrl-C stopped it.
    """
    from netra_backend.app.commands.chat import chat

    raise typer.Exit(chat(data_folder(data_dir), url, thread_id=thread, message=message, as_json=as_json))


@app.command()
def login(
    code: Annotated[
        str | None, typer.Option(help="A sign-in code or link; - reads it from standard input.", show_default=False)
    ] = None,
    email: Annotated[str | None, typer.Option(help="The e-mail address.", show_default=False)] = None,
    password_stdin: PasswordStdin = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Sign in at a server, for the other commands."""
    from netra_backend.app.commands.login import login

    login(data_folder(data_dir), url, code=code, email=email, password_stdin=password_stdin)


@app.command()
def threads(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """List the conversations, the last used first."""
    from netra_backend.app.commands.threads import threads

    threads(data_folder(data_dir), url, limit=limit, as_json=as_json)


@app.command()
def stop(
    run_id: Annotated[str | None, typer.Argument(help="The run; none: all of yours.", show_default=False)] = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Stop a run, or all of yours."""
    from netra_backend.app.commands.stop import stop

    stop(data_folder(data_dir), url, run_id)


@app.command()
def doctor(
    show_all: Annotated[bool, typer.Option("--all", help="Show settings at their defaults too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Say what is in force, what doesn't work, and what to do."""
    from netra_backend.app.commands.doctor import doctor

    doctor(data_folder(data_dir), show_all=show_all)


@users.command("create")
def user_create(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="May administer this server.")] = False,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account; without a password it gets a one-time sign-in link."""
    from netra_backend.app.commands.user import create

    create(data_folder(data_dir), email, admin=admin, password_stdin=password_stdin)


@users.command("list")
def user_list(data_dir: DataDir = None) -> None:
    """List the accounts."""
    from netra_backend.app.commands.user import list_users

    list_users(data_folder(data_dir))


@users.command("disable")
def user_disable(email: Email, data_dir: DataDir = None) -> None:
    """Refuse the account from now on and end its sessions."""
    from netra_backend.app.commands.user import disable

    disable(data_folder(data_dir), email)


@users.command("enable")
def user_enable(email: Email, data_dir: DataDir = None) -> None:
    """Take a disabled account in again."""
    from netra_backend.app.commands.user import enable

    enable(data_folder(data_dir), email)


@users.command("link")
def user_link(email: Email, data_dir: DataDir = None) -> None:
    """Show another one-time sign-in link for an account."""
    from netra_backend.app.commands.user import link

    link(data_folder(data_dir), email)


@users.command("delete")
def user_delete(
    email: Email,
    sure: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Remove an account with everything that was stored for it."""
    from netra_backend.app.commands.user import delete

    delete(data_folder(data_dir), email, sure=sure)


@users.command("password")
def user_password(email: Email, password_stdin: PasswordStdin = False, data_dir: DataDir = None) -> None:
    """Set an account's password and end its sessions."""
    from netra_backend.app.commands.user import set_password

    set_password(data_folder(data_dir), email, password_stdin=password_stdin)


def _check_variables() -> None:
    """A misspelt variable is an error of every command: a client would speak to another server than was meant."""
    if not any(name.upper().startswith("NETRA_") for name in os.environ.keys() - {"NETRA_URL", "NETRA_DATA_DIR"}):
        return
    from netra_backend.app.settings import BadSetting, check_variables

    try:
        check_variables()
    except BadSetting as bad:
        raise Failure(str(bad)) from None


def main() -> None:
    """The program `netra`."""
    try:
        app()
    except Failure as failure:
        print(f"netra: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
