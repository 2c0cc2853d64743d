"""`make run`: starts the whole system, tells a short story through it, and stays up until Ctrl-C.

    python -m infra.local [--once] [--state DIR]

PORT          the gateway's port (3000; 0 takes a free one)
DATABASE_URL  a Postgres to use instead of our own
VENTANA_STATE the state directory (.local)
RUN_ONCE=1    end after the story, with code 0 when it went well
VENTANA_ARTEFACTS  run what `make artefacts` built there, and not the sources
BOT=echo      let a bot answer every text that a customer writes with the same text

Waits that can be shortened, such as LEASE_SECONDS, are in waits.py.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "layers" / "ventana"))  # where functions find it by their layer

from infra.local.client import Client  # noqa: E402 - after the path
from infra.local.state import LocalFailed, State  # noqa: E402
from infra.local.story import Story, StoryFailed  # noqa: E402
from infra.local.system import System  # noqa: E402


def main() -> int:
    """Run; the exit code is 0, or 1 after one line on stderr that says what to do."""
    started = time.monotonic()
    options = _options()
    # SIGINT as well: a shell starts what it puts into the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        state = State(Path(options.state))
        artefacts = Path(options.artefacts) if options.artefacts else None
        database_url, bot = os.environ.get("DATABASE_URL"), _bot(options.bot)
        with System(state, _port(options.port), database_url, _say, bot, artefacts) as system:
            _tell(system, started)
            if not options.once:
                _stay(system, state)
    except LocalFailed as error:
        return _failed(str(error))
    except StoryFailed as error:
        return _failed(f"{error}; the functions' logs are in {Path(options.state) / 'logs'}")
    except KeyboardInterrupt:
        _say("\nended")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra.local", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--once", action="store_true", default=os.environ.get("RUN_ONCE") == "1")
    parser.add_argument("--state", default=os.environ.get("VENTANA_STATE") or str(ROOT / ".local"))
    parser.add_argument("--port", default=os.environ.get("PORT") or "3000")
    parser.add_argument("--artefacts", default=os.environ.get("VENTANA_ARTEFACTS") or "")
    parser.add_argument("--bot", default=os.environ.get("BOT") or "")
    return parser.parse_args()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise LocalFailed(f"'{text}' is no port: set PORT to a number up to 65535")
    return int(text)


def _bot(name: str) -> bool:
    if name not in ("", "echo"):
        raise LocalFailed(f"there is no bot '{name}': set BOT to echo, or to nothing")
    return bool(name)


def _tell(system: System, started: float) -> None:
    _say(f"\nThe gateway answers on {system.base_url}, the simulated providers on {system.simulator_url}\n")
    api = Client(system.base_url, system.identity.api_token)
    Story(api, Client(system.simulator_url), _say, started).tell()
    if not system.serves_console():
        raise StoryFailed("the console is not served")


def _stay(system: System, state: State) -> None:
    _say(f"\nUp at {system.base_url}; addresses and secrets are in {state.folder / 'runtime.json'}. Ctrl-C ends it.")
    _say(f"Look at it in the console: {system.console_url}")
    # On AWS, too, it takes a clock's tick until there are any. Nobody waits for them here.
    with suppress(OSError):
        Client(system.simulator_url).call("POST", "/invoke/Reconcile", {"templates": True})
    while True:  # in naps: a signal that comes just before a wait begins does not end it
        time.sleep(1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # What is being ended now is ended in peace: a second signal must not cut it short.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _failed(reason: str) -> int:
    print(f"make run: {reason}", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
