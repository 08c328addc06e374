"""The command line: one command a file of ``commands/``, imported only when it is called."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import signal
import sys
import traceback

import click
from rootstock import __version__
from rootstock.errors import InputError, RootstockError, StorageError, unknown_name
from rootstock.files import DISK_ERRORS

from rootstock_flows import commands
from rootstock_flows.environment import opt_out
from rootstock_flows.session import Answer

#: Exit codes beside those of the exception tree: what is no RootstockError, and two that shells give to a signal.
FAULT, INTERRUPTED, BROKEN_PIPE = 4, 130, 141


class LazyGroup(click.Group):
    """Finds commands by file name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the files in ``commands/``."""
        return sorted(info.name for info in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is asked for."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the nearest name in the error."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.UsageError(unknown_name("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rootstock")
def command_line() -> None:
    """Transfer learning that retrains itself, with evidence for every decision."""


def main() -> None:
    """Entry point: run a command, and turn an error into one line and an exit code."""
    opt_out()
    # Without a handler the process would be gone at once, and its embedded server would stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # class names need not be in the locale's encoding
    answer = Answer()
    try:
        command_line.main(standalone_mode=False, obj=answer)
    except RootstockError as error:
        _end(str(error), error.exit_code, answer)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        raise SystemExit(InputError.exit_code) from None
    except click.ClickException as error:
        _end(error.format_message(), InputError.exit_code, answer)
    except (click.Abort, KeyboardInterrupt):
        _end("interrupted; the same command goes on where it stopped", INTERRUPTED, answer)
    except PermissionError as error:
        _end(
            f"{error.filename or error}: {error.strerror}; ask who made it to open it to you, then run the same command again",
            InputError.exit_code,
            answer,
        )
    except SystemExit:  # click's, with 1, once who reads the output has gone, as head does
        raise SystemExit(BROKEN_PIPE) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            _end(
                f"{error.filename or 'a file'}: {error.strerror}; what is done is kept: free some space or choose another folder, "
                "then run the same command again",
                StorageError.exit_code,
                answer,
            )
        traceback.print_exc()
        _end(f"a fault of Rootstock itself: {type(error).__name__}: {error}; please report it with the lines above", FAULT, answer)


def _end(message: str, exit_code: int, answer: Answer) -> None:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    if "--json" in sys.argv[1:] and not answer.given:
        click.echo(json.dumps({"error": message, "exit_code": exit_code}, indent=2))
    raise SystemExit(exit_code)
