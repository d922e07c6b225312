"""Asks the process in the same container whether it can be relied on, for the container engine:
ends with 0 if so. `python deploy/healthcheck.py grpc` asks gRPC's health service, `http` asks
GET /healthz; both on 127.0.0.1 at PORT. To gRPC it shows the certificate of the process."""

import http.client
import os
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.shared.certificates import IdentityFiles, host_name, read_certificate

HOST = "127.0.0.1"
ANSWER_SECONDS = 3.0


def grpc_serving(port: int) -> bool:
    """Whether the gRPC server says that it is SERVING. Raises IdentityUnusable."""
    shown = read_certificate(IdentityFiles.model_validate(_own_variables()))
    credentials = grpc.ssl_channel_credentials(shown.authorities, shown.key, shown.certificate)
    named = (("grpc.ssl_target_name_override", host_name(shown.service)),)
    with grpc.secure_channel(f"{HOST}:{port}", credentials, options=named) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def http_ok(port: int) -> bool:
    """Whether GET /healthz answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _own_variables() -> dict[str, str]:
    return {name: os.environ[name.upper()] for name in IdentityFiles.model_fields}


CHECKS = {"grpc": grpc_serving, "http": http_ok}

if __name__ == "__main__":
    sys.exit(0 if CHECKS[sys.argv[1]](int(os.environ["PORT"])) else 1)
