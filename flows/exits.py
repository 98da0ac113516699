"""How a command ends: each kind of trouble has its exit code and its message, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

DONE, PROBLEMS, USAGE, WORLD, INTERRUPTED = 0, 1, 2, 3, 130

TRACEBACK_VARIABLE = "BECKON_TRACEBACK"
"""Environment variable that, when set, shows where a fault of Beckon's own came from."""


def run_command(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code, with anything that went wrong told on stderr."""
    try:
        with command.make_context("beckon", list(arguments)) as context:
            result = command.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as refused:
        refused.show()
        return USAGE
    except BrokenPipeError:
        # Whoever read our output has left; what Python still holds for it must not be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except (KeyboardInterrupt, click.Abort):
        click.echo("beckon: interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        return told(error)


def told(error: Exception) -> int:
    """Tell on stderr what went wrong; returns the exit code."""
    from config.problems import ConfigError
    from flows.control_records import LogRecordError
    from state.store import StoreError

    if isinstance(error, ConfigError | LogRecordError | StoreError):
        click.echo(str(error), err=True)
        return PROBLEMS
    if isinstance(error, OSError | MemoryError):
        click.echo(f"beckon: {world_message(error)}", err=True)
        return WORLD
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    first_line = next(iter(str(error).splitlines()), "")
    click.echo(
        f"beckon: a fault of Beckon's own, please report it: {type(error).__name__}: {first_line}; "
        f"{TRACEBACK_VARIABLE}=1 shows where",
        err=True,
    )
    return PROBLEMS


def world_message(error: OSError | MemoryError) -> str:
    """What of the world could not be reached, with its name where it has one.

    >>> world_message(FileNotFoundError(2, "No such file or directory", "events.jsonl"))
    'events.jsonl: No such file or directory'
    """
    if isinstance(error, MemoryError):
        return "expected memory for the profiles of all users, got no more of it"
    if error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
