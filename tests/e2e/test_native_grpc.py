"""The native gRPC listener: the same RPCs by generated stub, by reflection, and by the tools that
people debug with."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import grpc
from caravel.payments.v1 import payments_pb2, payments_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.conftest import Mesh, Rest

SERVICES = {
    "caravel.payments.v1.EndpointService",
    "caravel.payments.v1.PaymentService",
    "caravel.payments.v1.WebhookService",
}


async def test_a_stub_and_the_rest_api_see_the_same_payment(mesh: Mesh, rest: Rest) -> None:
    request = payments_pb2.CreatePaymentRequest(
        user_id=str(uuid4()), amount_usd="40", destination_currency="MXN"
    )
    async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        stub: payments_pb2_grpc.PaymentServiceAsyncStub = payments_pb2_grpc.PaymentServiceStub(
            channel
        )
        created = await stub.CreatePayment(
            request, metadata=(("idempotency-key", uuid4().hex),), timeout=10
        )

    shown = (await rest.get(f"/api/payments/{created.transaction_id}")).json
    assert shown["payout_amount"] == created.payout_amount


async def test_the_listener_answers_health_checks(mesh: Mesh) -> None:
    async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(
            health_pb2.HealthCheckRequest(service="caravel.payments.v1.PaymentService"), timeout=10
        )

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_buf_curl_lists_services_and_creates_a_payment(mesh: Mesh) -> None:
    buf = Path(sys.executable).parent / "buf"
    plaintext = ["--protocol", "grpc", "--http2-prior-knowledge"]
    url = f"http://{mesh.grpc_target}"
    body = {"user_id": str(uuid4()), "amount_usd": "15.00", "destination_currency": "INR"}

    listed = _run(buf, "curl", *plaintext, "--list-services", url)
    created = _run(
        buf,
        "curl",
        *plaintext,
        "--header",
        f"idempotency-key: {uuid4().hex}",
        "--data",
        json.dumps(body),
        f"{url}/caravel.payments.v1.PaymentService/CreatePayment",
    )

    assert set(listed.split()) >= SERVICES
    assert json.loads(created)["transactionId"].startswith("pay_")


def test_grpcurl_lists_describes_and_creates_a_payment(mesh: Mesh, grpcurl: Path) -> None:
    body = {"user_id": str(uuid4()), "amount_usd": "15.00", "destination_currency": "INR"}

    listed = _run(grpcurl, "-plaintext", mesh.grpc_target, "list")
    described = _run(
        grpcurl, "-plaintext", mesh.grpc_target, "describe", "caravel.payments.v1.PaymentService"
    )
    method = "caravel.payments.v1.PaymentService.CreatePayment"
    one = _run(grpcurl, "-plaintext", mesh.grpc_target, "describe", method)
    created = _run(
        grpcurl,
        "-plaintext",
        "-H",
        f"idempotency-key: {uuid4().hex}",
        "-d",
        json.dumps(body),
        mesh.grpc_target,
        "caravel.payments.v1.PaymentService/CreatePayment",
    )

    assert set(listed.split()) >= SERVICES
    assert "rpc CreatePayment" in described
    assert f"{method} is a method" in one
    assert json.loads(created)["transaction_id"].startswith("pay_")
