"""The text that a newcomer reads when the mesh is ready: its addresses, a first payment to
paste, and how to stop. A test pastes it."""

import shlex

from deploy.local import terminal
from deploy.local.paths import DEFAULT_DATA_DIR, DataDir
from deploy.local.state import MeshState
from deploy.local.terminal import command, paint

EXAMPLE_USER = "0b8f6f0e-8a53-4f0c-9d7b-2d7c1f6a4e11"


def greeting(state: MeshState, data_dir: DataDir, *, watched: bool) -> str:
    """Addresses, an example and commands, ready to be printed.

    watched says whether a person can stop the mesh from where they read this.
    """
    down = command("down", *data_dir_flag(data_dir))
    rows = (
        ("REST", f"{state.urls['rest']}/api/payments"),
        ("Docs", state.urls["docs"]),
        ("gRPC", f"{state.urls['grpc']}  (plaintext, reflection)"),
        ("Logs", command("logs", "-f", *data_dir_flag(data_dir))),
        ("Stop", f"Ctrl-C, or {down}" if watched else down),
    )
    lines = [
        "",
        paint(f"  Caravel is ready after {state.ready_seconds} s.", terminal.BOLD, terminal.GREEN),
        "",
        *(f"  {paint(name, terminal.BOLD)}  {value}" for name, value in rows),
        "",
        "  Send a payment: 100 US dollars to India.",
        "",
        example(state),
        "",
    ]
    return "\n".join(lines)


def example(state: MeshState) -> str:
    """A command that creates a payment each time it is pasted."""
    new_key = "$(python3 -c 'import uuid; print(uuid.uuid4())')"
    body = f'{{"user_id": "{EXAMPLE_USER}", "amount_usd": 100.00, "destination_currency": "INR"}}'
    return (
        f"curl -sS {state.urls['rest']}/api/payments \\\n"
        f"  -H 'content-type: application/json' \\\n"
        f'  -H "idempotency-key: {new_key}" \\\n'
        f"  -d '{body}'"
    )


def data_dir_flag(data_dir: DataDir) -> tuple[str, ...]:
    """The flag that a command about this mesh needs; none for the usual folder."""
    if data_dir.root == DEFAULT_DATA_DIR:
        return ()
    return ("--data-dir", shlex.quote(str(data_dir.root)))
