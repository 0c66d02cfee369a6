"""`python -m jobs.stack up|down|status`: the local stack without the rest of the command line."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from jobs.stack.java import JavaNotFoundError
from jobs.stack.layout import DEFAULT_RUN
from jobs.stack.processes import StackError
from jobs.stack.signals import exit_on_signals
from jobs.stack.stack import Parts, Stack, end
from jobs.stack.waiting import WaitTimeoutError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Carry out the command and return the exit code: 0 done, 1 not possible, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m jobs.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--run", default=DEFAULT_RUN, help="the name of the folder in .local/ (default: %(default)s)")
    parser.add_argument("--ha", action="store_true", help="up: jobs outlive the JobManager, by a ZooKeeper")
    args = parser.parse_args()
    commands = {"up": lambda run: _up(run, high_availability=args.ha), "down": _down, "status": _status}
    exit_on_signals()
    try:
        commands[args.command](args.run)
    except (StackError, JavaNotFoundError, WaitTimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0


def _up(run: str, *, high_availability: bool) -> None:
    begin = time.monotonic()
    stack = Stack.start(ROOT, run, Parts(high_availability=high_availability), keep=True)
    sys.stdout.write(f"up in {time.monotonic() - begin:.1f} s\n{_addresses(stack)}")


def _down(run: str) -> None:
    sys.stdout.write(f"ended {end(ROOT, run)} servers\n")


def _status(run: str) -> None:
    sys.stdout.write(_addresses(Stack.attach(ROOT, run)))


def _addresses(stack: Stack) -> str:
    return f"Kafka  {stack.bootstrap_servers}\nRedis  {stack.redis_url}\nFlink  {stack.rest_url}\n"


if __name__ == "__main__":
    sys.exit(main())
