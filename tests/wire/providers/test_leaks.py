"""The service as a process of its own, with secrets that the test knows, driven into every trouble
that the test can think of: nothing that it prints, answers or leaves behind has a secret in it."""

import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc

from services.shared.money import Money
from services.shared.secret_files import SETTLED_SECONDS
from tests.contract.cases import CASES
from tests.contract.lab import SECRETS, provider_environment
from tests.contract.lab import serving as http_serving
from tests.identities import channel_as, variables_of
from tests.polling import until
from tests.wire.providers.service import message, read_webhook

ROOT = Path(__file__).parents[3]
ROTATED = "sk_test_rotated_51c0"
# Config, adapters and all, in the frame that an exception leaves by.
CRASH = """
import os
from services.providers.adapters import ADAPTERS
from services.providers.config import Config
from services.shared.clock import SystemClock
config = Config.load(os.environ)
adapters = {name: one.open(config, None, SystemClock()) for name, one in ADAPTERS.items()}
raise RuntimeError(config, adapters, vars(config), [vars(one) for one in adapters.values()])
"""


def environment(url: str, **changes: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **inherited,
        **provider_environment(url),
        **variables_of("providers"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'protos' / 'gen'}",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONDEVMODE": "1",
        "LOG_LEVEL": "debug",
        **changes,
    }


@dataclass
class Process:
    """A running service, and what it has printed so far."""

    process: asyncio.subprocess.Process
    stub: Any
    printed: bytes

    async def abort(self) -> str:
        """Lets it crash as it does for a fault in native code; all that it has printed."""
        self.process.send_signal(signal.SIGABRT)
        rest, errors = await self.process.communicate()
        return (self.printed + rest + errors).decode()


@asynccontextmanager
async def running(variables: dict[str, str]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.providers"),
        env=variables,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        line = b"{}"
        while json.loads(line).get("event") != "serving":
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            assert line, (await process.communicate())[1].decode()
        target = f"127.0.0.1:{json.loads(line)['port']}"
        async with (
            channel_as("worker", "providers", target) as worker,
            channel_as("payments", "providers", target) as payments,
        ):
            stub: Any = providers_pb2_grpc.ProviderServiceStub(worker)
            # The one call that is not a worker's.
            stub.ReadWebhooks = providers_pb2_grpc.ProviderServiceStub(payments).ReadWebhooks
            yield Process(process, stub, line)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def provoke(stub: Any) -> str:
    """Everything that can go wrong from outside, and all that was answered."""
    output = []
    operations = [case.operation() for case in CASES.values()]
    # Stripe has no unit for it: the adapter raises.
    operations.append(CASES["stripe"].operation(amount=Money(501, "MGA")))
    messages = [message(one) for one in operations]
    calls = [
        stub.Execute(providers_pb2.ExecuteRequest(operations=messages)),
        stub.LookUp(providers_pb2.LookUpRequest(operations=messages)),
    ]
    output += [repr(result) for call in calls async for result in call]
    for provider, headers in (
        ("stripe", {"stripe-signature": "t=1,v1=00"}),
        ("local_wallet", {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,"}),
        ("nobody", {}),
    ):
        result = await read_webhook(stub, provider, b"{}", headers)
        assert result.HasField("error")
        output.append(repr(result))
    return "\n".join(output)


async def echo(request: web.Request) -> web.Response:
    """The worst a provider can do: returns our own key in every place that we read."""
    output = request.headers.get("authorization", "")
    error = {"type": "card_error", "code": output, "message": output, "decline_code": output}
    body = {"id": output, "status": output, "error": error, "message": output}
    return web.json_response(body, status=402, headers={"request-id": output, "location": output})


def found(output: str) -> list[str]:
    return [secret for secret in (*SECRETS, ROTATED) if secret in output]


async def _age(path: Path) -> float:
    return time.time() - (await asyncio.to_thread(path.stat)).st_ctime


async def test_a_process_in_trouble_reveals_no_secret(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(ROTATED)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    async with http_serving(app) as url:
        from_file = {"LOCAL_WALLET_API_KEY": "", "LOCAL_WALLET_API_KEY_FILE": str(key)}
        variables = environment(url, **from_file)
        async with running(variables) as service:
            output = await provoke(service.stub)
            key.write_text("")
            await until(lambda: _age(key), lambda age: age > SETTLED_SECONDS)
            output += await provoke(service.stub)
            output += await service.abort()

    # All of it did happen.
    for event in ("adapter_error", "secret_kept", "answer_invalid", "Fatal Python error: Aborted"):
        assert event in output
    assert "WEBHOOK_SIGNATURE_INVALID" in output
    assert found(output) == []


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux shows another process's memory"
)
async def test_a_crash_leaves_no_image_of_the_memory() -> None:
    async with running(environment("http://127.0.0.1:1")) as service:
        assert resource.prlimit(service.process.pid, resource.RLIMIT_CORE) == (0, 0)


async def test_an_unhandled_error_shows_no_secret() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CRASH),
        env=environment("http://127.0.0.1:1"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    output = b"".join(await process.communicate()).decode()

    assert "RuntimeError: (Config(" in output
    assert "**********" in output
    assert found(output) == []


async def test_a_start_that_is_refused_names_no_secret() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.providers"),
        env=environment("http://127.0.0.1:1", STRIPE_BASE_URL="https://api.stripe.com"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    output = b"".join(await process.communicate()).decode()

    assert "providers cannot start" in output
    assert found(output) == []


async def test_metrics_show_no_secret() -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    async with http_serving(app) as url:
        async with http_serving(web.Application()) as free:
            port = free.rpartition(":")[2]
        async with running(environment(url, METRICS_PORT=port)) as service:
            await provoke(service.stub)
            async with ClientSession() as session, session.get(f"{free}/metrics") as answer:
                output = await answer.text()

    assert "caravel_provider_operations_total" in output
    assert found(output) == []
