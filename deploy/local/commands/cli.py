"""The command line: what can be asked for, and what is said where it cannot be had. Modules that
need packages are imported when they are called, so that help needs nothing installed."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from deploy.local.commands import (
    backup,
    control,
    corridors,
    dead_letters,
    development,
    figures,
    four_eyes,
    operate,
    pausing,
    payments,
    replaying,
)
from deploy.local.mesh.state import DEFAULT_DATA_DIR, DataDir
from deploy.local.process.child import allow_most_descriptors
from deploy.local.process.terminal import Problem, complain, say, sentence
from deploy.version import commit, version
from services.shared.deployment import Deployment

Command = Callable[[argparse.Namespace], int]
PORTS_MAX = 65535
# The commands whose words services.payments.admin reads, and what they are for.
ADMINISTERED = {
    "merchants": "make, list, disable and enable merchants, and end their keys",
    "operators": "make, list, roll and revoke the keys of operators",
}
PRIVATE_COMMANDS = {"up", "migrate", "verify", "explain", *ADMINISTERED} | backup.COMMANDS
EPILOG = "First time here? `./caravel up` starts it all and prints a payment to paste."


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its code: 0 is success, 1 a failure with one sentence."""
    perform(read(sys.argv[1:] if arguments is None else arguments))


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """The words as a command. Exits with 0 after help, with 2 where they make no sense."""
    words = list(arguments)
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words[:1] and words[0] in ADMINISTERED:
        return _administered(words)
    # Arguments after `--` are for the tool that we run, and argparse must not read them.
    at = words.index("--") if "--" in words else len(words)
    parser = _parser()
    parsed = parser.parse_args(words[:at], argparse.Namespace(passed_on=words[at + 1 :]))
    if parsed.command is None:
        parser.print_help()
        sys.exit(0)
    try:
        if parsed.command == "test":
            development.folders(parsed.rings)
        if parsed.command == "chaos" and not parsed.planted:
            _refuse_endless_chaos(parsed)
    except Problem as problem:
        complain(str(problem))
        sys.exit(2)
    return parsed


def _administered(words: Sequence[str]) -> argparse.Namespace:
    """A command of services.payments.admin, which reads all of it but the folder."""
    parsed, rest = _data_dir_argument().parse_known_args(words[1:])
    parsed.command, parsed.words, parsed.run = words[0], rest, _administer
    return parsed


def _refuse_endless_chaos(parsed: argparse.Namespace) -> None:
    if not (parsed.minutes or parsed.losses) or not (parsed.seed or parsed.seeds):
        raise Problem("chaos needs --minutes or --losses and --seed or --seeds, or --planted")


def perform(parsed: argparse.Namespace) -> None:
    """Runs the command and exits with its code."""
    code = 1
    # A mesh's files are nobody else's business, and neither are those that its processes make. The
    # other commands write to the checkout, which is the person's own matter.
    umask = os.umask(0o077) if parsed.command in PRIVATE_COMMANDS else None
    try:
        code = parsed.run(parsed)
    except KeyboardInterrupt:
        complain("interrupted")
        code = 130
    except BrokenPipeError:
        # The reader of our output has seen enough.
        pass
    except (Problem, OSError) as failure:
        complain(sentence(failure))
    finally:
        if umask is not None:
            os.umask(umask)
    try:
        sys.stdout.flush()
    except OSError:
        # Nor shall Python say more when it ends, to a reader who left or a disk that is full.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Says in one sentence what is not understood."""
        if choice := re.search(r"invalid choice: '([^']*)'", message):
            message = f"there is no command {choice[1]}"
        complain(f"{message}; see `{self.prog} --help`")
        sys.exit(2)


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **words: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **words)

    def __call__(self, *_: object) -> NoReturn:
        """Says which code this is, as caravel_build_info does, and exits."""
        say(f"caravel {version()} ({commit()})")
        sys.exit(0)


def _parser() -> _Parser:
    parser = _Parser(
        prog="caravel",
        description="Caravel: US dollars in, local money out, and never paid twice.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action=_Version, help="print the version and the commit")
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands")
    data = _data_dir_argument()
    ports = _port_arguments()
    _add_up(commands, data, ports)
    down = _add(commands, "down", _down, "stop the mesh", data)
    down.add_argument("--delete", action="store_true", help="and delete all it leaves behind")
    status = _add(commands, "status", _status, "show what runs, where, with how much memory", data)
    status.add_argument("--json", action="store_true", help="as JSON, for programs")
    logs = _add(commands, "logs", _logs, "show the logs, of one process or of all", data)
    logs.add_argument("service", nargs="?", help="fees, fx, providers, payments, worker, …")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    dial = _add(commands, "dial", _dial, "print how grpcurl calls a service inside", data)
    dial.add_argument("service", help="fees, fx, providers, payments or worker")
    _add(commands, "migrate", _migrate, "bring the database to the newest schema", data)
    _add(commands, "verify", _verify, "recompute the books and look for what cannot be", data)
    explain = _add(commands, "explain", _explain, "recompute a price, figure by figure", data)
    explain.add_argument("name", metavar="ID", help="a quote (quo_…) or a payment (pay_…)")
    _add_operating(commands, data)
    _add(commands, "doctor", _doctor, "look for what would hinder a start", data, ports)
    _add_chaos(commands, data)
    _add_hostile(commands, data)
    _add_mutants(commands, data)
    _add_bench(commands, data)
    test = _add(commands, "test", _test, f"run the tests: {' '.join(development.RINGS)}")
    test.usage = "caravel test [ring …] [-- pytest's arguments]"
    test.add_argument(
        "rings", nargs="*", metavar="ring", help=f"one of {', '.join(development.RINGS)}"
    )
    sbom = _add(commands, "sbom", development.sbom, "list all that the image holds, as CycloneDX")
    sbom.add_argument("--output", type=Path, help="the file to write (default: the terminal)")
    _add(commands, "check", _check, "lint, types, imports, protos, generated files")
    _add(commands, "protos", _protos, "generate everything that is made from the .proto files")
    return parser


def _add_operating(commands: "argparse._SubParsersAction[_Parser]", data: _Parser) -> None:
    for noun, summary in ADMINISTERED.items():
        _add(commands, noun, _administer, summary)
    operating = figures, payments, operate, four_eyes, pausing, replaying, corridors
    for module in (*operating, backup, dead_letters):
        module.add_to(partial(_add, commands), data)


def _add_up(commands: "argparse._SubParsersAction[_Parser]", data: _Parser, ports: _Parser) -> None:
    up = _add(commands, "up", _up, "start the whole mesh and show its logs", data, ports)
    up.add_argument("--detach", action="store_true", help="run in the background once it is ready")
    up.add_argument("--fresh", action="store_true", help="first delete all earlier payments")
    up.add_argument(
        "--deployment",
        choices=["sandbox", "staging"],
        default="sandbox",
        help="staging: calls need a key, as they do where it is live",
    )
    up.add_argument("--in-background", action="store_true", help=argparse.SUPPRESS)


def _add_chaos(commands: "argparse._SubParsersAction[_Parser]", data: _Parser) -> None:
    chaos = _add(
        commands, "chaos", development.chaos, "break a mesh at random and compare the books", data
    )
    chaos.add_argument("--seed", help="decides all that is done; several with commas")
    chaos.add_argument("--minutes", type=_positive, help="how long it is broken")
    chaos.add_argument(
        "--losses", type=int, help="loses the primary database so often, and nothing else"
    )
    chaos.add_argument("--seeds", type=int, help="so many seeds; drawn, without --seed")
    chaos.add_argument("--at-once", type=int, default=2, help="so many of them side by side (2)")
    chaos.add_argument("--planted", action="store_true", help="look for bugs that are put in first")
    chaos.add_argument("--only", default="", help="of these bugs, for example 4,7")
    chaos.add_argument("--rate", type=_positive, default=8.0, help="requests a second (8)")
    chaos.add_argument("--keep", action="store_true", help="leave the database also if all is well")


def _add_hostile(commands: "argparse._SubParsersAction[_Parser]", data: _Parser) -> None:
    hostile = _add(
        commands, "hostile", development.hostile, "send forbidden requests, check answers", data
    )
    hostile.add_argument("--seed", type=int, default=1, help="decides all that is sent (1)")
    hostile.add_argument("--cases", type=int, default=20_000, help="how many requests (20000)")


def _add_mutants(commands: "argparse._SubParsersAction[_Parser]", data: _Parser) -> None:
    mutants = _add(
        commands, "mutants", development.mutants, "change single lines; do tests notice?", data
    )
    mutants.add_argument("--only", default="", help="these modules, for example ledger,quote")
    mutants.add_argument("--at-once", type=int, help="so many mutants side by side (one a core)")


def _add_bench(commands: "argparse._SubParsersAction[_Parser]", data: _Parser) -> None:
    bench = _add(
        commands, "bench", development.bench, "measure how fast it is, and against what", data
    )
    bench.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    bench.add_argument("--seconds", type=_positive, default=10.0, help="of one measurement (10)")
    bench.add_argument("--only", default="", help="these parts, for example create,baseline,limit")
    bench.add_argument("--growth", default="", help="payments in the tables (10k,1m,5m)")
    bench.add_argument("--smoke", action="store_true", help="a tiny run, whose figures say nothing")
    bench.add_argument(
        "--publish", action="store_true", help="only put the last run's tables on the page"
    )


class _Help(argparse.HelpFormatter):
    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        # The list of commands would begin with a line of its own for the word "command".
        return text.split("\n", 1)[1] if action.nargs == argparse.PARSER else text


def _data_dir_argument() -> _Parser:
    parent = _Parser(add_help=False)
    parent.add_argument(
        "--data-dir",
        type=Path,
        default=DEFAULT_DATA_DIR,
        help="folder for database, logs and state (default: .caravel in the checkout)",
    )
    return parent


def _port_arguments() -> _Parser:
    parent = _Parser(add_help=False)
    parent.add_argument("--port", type=_port, default=8080, help="REST and docs (default: 8080)")
    parent.add_argument("--grpc-port", type=_port, default=9090, help="gRPC (default: 9090)")
    parent.add_argument(
        "--operators-port", type=_port, help="operators' REST and docs (default: one above --port)"
    )
    parent.add_argument(
        "--operators-grpc-port", type=_port, help="operators' gRPC (default: one above --grpc-port)"
    )
    return parent


def _port_options(parsed: argparse.Namespace) -> dict[str, int]:
    """The ports as options of `up`, those that were not given too."""
    return {
        "port": parsed.port,
        "grpc_port": parsed.grpc_port,
        "operators_port": parsed.operators_port or _port_beside(parsed.port),
        "operators_grpc_port": parsed.operators_grpc_port or _port_beside(parsed.grpc_port),
    }


def _port_beside(port: int) -> int:
    return port + 1 if port < PORTS_MAX else port - 1


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return number


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= PORTS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no port; a port is 1 to {PORTS_MAX}")
    return number


def _add(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    run: Command,
    summary: str,
    *parents: Any,
) -> _Parser:
    added = commands.add_parser(name, help=summary, description=summary, parents=parents)
    added.set_defaults(run=run)
    return added


def _up(parsed: argparse.Namespace) -> int:
    data_dir = DataDir.at(parsed.data_dir)
    allow_most_descriptors()
    if parsed.detach:
        asked_for = _port_options(parsed).items()
        ports = [
            word for name, port in asked_for for word in (f"--{name.replace('_', '-')}", str(port))
        ]
        flags = [*ports, "--data-dir", str(data_dir.root), "--deployment", parsed.deployment]
        flags += ["--fresh"] if parsed.fresh else []
        return control.up_detached(data_dir, ["up", "--in-background", *flags])
    from deploy.local.commands import up  # noqa: PLC0415

    return up.up(
        up.Options(
            data_dir=data_dir,
            **_port_options(parsed),
            fresh=parsed.fresh,
            deployment=Deployment(parsed.deployment),
            in_background=parsed.in_background,
        )
    )


def _down(parsed: argparse.Namespace) -> int:
    return control.down(DataDir.at(parsed.data_dir), delete=parsed.delete)


def _status(parsed: argparse.Namespace) -> int:
    return control.status(DataDir.at(parsed.data_dir), as_json=parsed.json)


def _logs(parsed: argparse.Namespace) -> int:
    return control.show_logs(DataDir.at(parsed.data_dir), parsed.service, follow=parsed.follow)


def _dial(parsed: argparse.Namespace) -> int:
    return control.dial(DataDir.at(parsed.data_dir), parsed.service)


def _migrate(parsed: argparse.Namespace) -> int:
    from deploy.local.commands import migrate  # noqa: PLC0415

    return migrate.migrate(DataDir.at(parsed.data_dir))


def _verify(parsed: argparse.Namespace) -> int:
    from deploy.local.commands import migrate  # noqa: PLC0415

    return migrate.verify(DataDir.at(parsed.data_dir))


def _explain(parsed: argparse.Namespace) -> int:
    from deploy.local.commands import migrate  # noqa: PLC0415

    return migrate.explain(DataDir.at(parsed.data_dir), parsed.name)


def _administer(parsed: argparse.Namespace) -> int:
    from deploy.local.commands import migrate  # noqa: PLC0415

    return migrate.administer(DataDir.at(parsed.data_dir), [parsed.command, *parsed.words])


def _doctor(parsed: argparse.Namespace) -> int:
    from deploy.local.commands import doctor  # noqa: PLC0415

    return doctor.doctor(DataDir.at(parsed.data_dir), _port_options(parsed).values())


def _test(parsed: argparse.Namespace) -> int:
    return development.test(parsed.rings, parsed.passed_on)


def _check(_: argparse.Namespace) -> int:
    return development.check()


def _protos(_: argparse.Namespace) -> int:
    return development.protos()
