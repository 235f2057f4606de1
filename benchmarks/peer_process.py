"""Peers, each in a process of its own with a time limit, in an interpreter that has them.

A table of peers has for each the distribution, what to import of it, and how it is set up. The process prints what was
measured so far, a line of JSON after each step, so that one which is not there, does not import, fails or runs out of
time still has what it knew by then, and says why it knows no more.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from measuring import load

os.environ["JAX_ENABLE_X64"] = "1"  # read when jax is imported

Found = dict[str, Any]
Peers = Mapping[str, tuple[tuple[str, str], Callable[..., Any]]]


def measured_apart(script: str, name: str, who: str, arguments: argparse.Namespace) -> Found:
    """What the script, which calls `main`, measures of a peer on a problem."""
    command = [arguments.peers_python, script, str(arguments.workloads), name, who]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=arguments.seconds, check=False)
        said = ran.stderr.decode().strip().splitlines() or [""]
        out, why = ran.stdout, f"ended with {ran.returncode}: {said[-1]}"[:120]
    except subprocess.TimeoutExpired as error:
        out, why = error.stdout or b"", f"over {arguments.seconds:g} s"
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    found: Found = json.loads(lines[-1]) if lines else {}
    if not found.get("done"):
        found.setdefault("why", why)
    print(f"{name} {who}: {found.get('why', 'done')}", file=sys.stderr, flush=True)
    return found


def main(
    description: str, peers: Peers, measure: Callable[[Any, str, Callable[..., Any], Callable[..., None]], None]
) -> None:
    """In the process of its own: a peer on a problem, by ``measure(workloads, problem, set-up, tell)``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("workloads", type=Path)
    parser.add_argument("problem")
    parser.add_argument("peer", choices=peers)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    (distribution, package), make = peers[arguments.peer]
    found: Found = {"python": platform.python_version(), "distribution": distribution}

    def tell(**news: Any) -> None:
        found.update(news)
        print(json.dumps(found), flush=True)

    try:
        tell(version=importlib.metadata.version(distribution))
        importlib.import_module(package)
    except importlib.metadata.PackageNotFoundError:
        tell(why="not installed")
        return
    except Exception as error:  # one that is there and broken is not silently absent either
        tell(why=f"does not import on Python {found['python']}: {type(error).__name__}: {error}"[:120])
        return
    workloads = load(arguments.workloads)
    try:
        measure(workloads, arguments.problem, make, tell)
        tell(done=True)
    except Exception as error:  # whatever a peer's failure is, it belongs into the table
        lines = str(error).strip().splitlines() or [""]
        tell(why=f"{type(error).__name__}: {lines[0]}"[:120])


# ------------------------------------------------------------------------------------------------ for the tables
def parser_of(description: str, seconds: float) -> argparse.ArgumentParser:
    """The arguments of a comparison with peers."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("workloads", type=Path)
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--peers", default="", help="which, with commas: the beginnings of their names")
    parser.add_argument("--only", default="", help="problems, with commas")
    parser.add_argument("--seconds", type=float, default=seconds, help="time limit for each peer and problem")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--profile", action="store_true")
    return parser


def asked(peers: Peers, arguments: argparse.Namespace) -> list[str]:
    """The peers that the arguments ask for."""
    beginnings = tuple(arguments.peers.split(","))
    return [] if arguments.no_peers else [who for who in peers if who.startswith(beginnings)]


def versions(found: Iterable[Found]) -> str:
    """What the peers are, as they said."""
    known = [peer for peer in found if "python" in peer]
    seen = sorted({f"{peer['distribution']} {peer['version']}" for peer in known if "version" in peer})
    python = sorted({peer["python"] for peer in known})
    return f"Peers on Python {'/'.join(python)}: {', '.join(seen) or 'none'}"
