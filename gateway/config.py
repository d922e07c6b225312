"""Envoy's configuration, made from the templates envoy.yaml and envoy/*.yaml, and the folder of
files it reads at start. `python -m gateway.config FOLDER` writes it for containers, `./caravel up`
writes one of its own. Envoy's behaviour stands in the templates; the contract's part (statuses,
codes, the listener and the place of each call) comes from the descriptor set, and only ports and
paths are decided here."""

import argparse
import json
import re
import shutil
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from string import Template

from gateway.contract import SERVED, Contract, Listener, is_repeatable, read_contract, verb_and_path
from gateway.openapi import DOCUMENTS
from gateway.routes import TABLES
from gateway.tracing import PLACEHOLDER, tracing

HERE = Path(__file__).resolve().parent
CONFIG_FILE = "envoy.yaml"
# Leads Envoy to the certificate for clients.
CLIENTS_FILE = "clients.yaml"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
# The two listeners of each kind of caller.
REST_TEMPLATE, NATIVE_TEMPLATE = HERE / "envoy" / "rest.yaml", HERE / "envoy" / "native.yaml"
DESCRIPTOR = HERE / "descriptor.binpb"
# Starts Envoy with as many connections as it has descriptors for.
START = HERE / "start.sh"
SCRIPTS = HERE / "lua"
# The script that begins; the others are its modules, and go into the same file. One module is the
# table of the listener's calls.
MAIN_SCRIPT, CALLS_MODULE = "rest", "contract"
SCRIPT_FILES = {Listener.PUBLIC: "rest.lua", Listener.OPERATORS: "operators.lua"}
# The script of both native listeners; of the table it needs what is the same for all calls.
NATIVE_SCRIPT = HERE / "native.lua"
# Envoy reads them again when the files that they name have changed.
SECRETS = {"CERTIFICATE_SECRET": "certificate.yaml", "AUTHORITY_SECRET": "authority.yaml"}
# Calls of this principal have places of their own.
PROVIDER_EVENT = "PROVIDER_EVENT"
# The parts of a template that are for one kind of caller.
_ONLY = re.compile(r"^ *#only (\w+)\n(.*?)^ *#end\n", re.MULTILINE | re.DOTALL)
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
# A page opened from this machine may call the API; where a deployment wants others, it says so.
LOCAL_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"


# Requests a second of one address, where TLS says that clients come from everywhere: more than one
# replica lets a merchant make.
PUBLIC_CALLS = 500
# For so long a browser remembers that the gateway speaks TLS: a year.
STRICT_TLS_SECONDS = 31_536_000


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """Where the gateway listens, whom it serves for, and where its files lie.

    payments_host is one name or address with every replica behind it, each on one of these ports.
    files is the folder as Envoy will see it. allowed_origins is the regular expression of web
    origins that may call the API, operators_origins the same for operators' calls, and calls_max
    how many of merchants' calls may be on their way to payments. An address may make so many
    requests a second to each public listener, and twice as many after a pause.
    admin_socket may be a bare name, and is then in the folder where Envoy is started. identity is
    the folder with the gateway's certificate for the mesh, its key and the authorities.
    """

    files: Path
    host: str = "127.0.0.1"
    rest_port: int = 8080
    grpc_port: int = 9090
    operators_port: int = 8081
    operators_grpc_port: int = 9091
    metrics_port: int = 9464
    admin_socket: Path = Path("admin.sock")
    payments_host: str = "127.0.0.1"
    payments_ports: tuple[int, ...] = (50051,)
    allowed_origins: str = LOCAL_ORIGINS
    operators_origins: str = LOCAL_ORIGINS
    # The operators' console; on the operators' port it has every path that is not the API's.
    console_host: str = "127.0.0.1"
    console_port: int = 8090
    calls_max: int = 2048
    identity: Path = Path("/etc/caravel/identity")
    # With tls.crt and tls.key, by which clients know the gateway; without it clients speak plainly.
    clients_certificate: Path | None = None
    # How many proxies in front add their client's address to x-forwarded-for, and are trusted.
    proxies: int = 0
    # A sandbox's, whose clients share one address: neither benchmark nor chaos runs meet it.
    address_calls: int = 20_000
    # http://host:port of the collector of spans by OTLP over gRPC, and the share of traces that it
    # gets; without it there are none.
    collector: str = ""
    traces_ratio: float = 1.0
    addresses_max: int = 10_000


# In a container; the container's own network is the boundary, and the compose file says which ports
# are published from it, and how far.
COMPOSE = GatewayConfig(
    files=Path("/etc/caravel/gateway"),
    host="0.0.0.0",  # noqa: S104
    payments_host="payments",
    console_host="console",
    # Where alone the container's file system can be written.
    admin_socket=Path("/tmp/admin.sock"),  # noqa: S108
)
_PLAIN_CONFIGS = {
    CONFIG_FILE: COMPOSE,
    "envoy-tls.yaml": replace(
        COMPOSE, clients_certificate=Path("/etc/caravel/public"), address_calls=PUBLIC_CALLS
    ),
    "envoy-behind-proxy.yaml": replace(COMPOSE, proxies=1, address_calls=PUBLIC_CALLS),
}
# The configurations of a container; GATEWAY_TLS, and whether there is a collector, choose one
# (start_container.sh).
CONTAINER_CONFIGS = _PLAIN_CONFIGS | {
    f"traced-{name}": replace(config, collector=PLACEHOLDER)
    for name, config in _PLAIN_CONFIGS.items()
}


def render(config: GatewayConfig) -> str:
    """The text of Envoy's configuration. Every value is put in as JSON, which YAML understands."""
    contract = read_contract(DESCRIPTOR)
    values: dict[str, object] = {
        "HOST": config.host,
        "METRICS_PORT": config.metrics_port,
        "ADMIN_SOCKET": str(config.admin_socket),
        "PAYMENTS_ENDPOINTS": [
            _endpoint(config.payments_host, port) for port in config.payments_ports
        ],
        "CONSOLE_ENDPOINTS": [_endpoint(config.console_host, config.console_port)],
        "CALLS_MAX": config.calls_max,
        **{name: str(config.files / file) for name, file in SECRETS.items()},
        "REST_TLS": _clients_tls(config, "h2", "http/1.1"),
        "NATIVE_TLS": _clients_tls(config, "h2"),
        "ONLY_OVER_TLS": _only_over_tls(config),
        **tracing(config.collector, config.traces_ratio),
        "ADDRESS_LIMIT": _address_limit(config, "addresses"),
        "WEBHOOK_LIMIT": _address_limit(config, "webhook_addresses"),
    }
    values |= {name: str(config.files / source.name) for name, source in _files().items()}
    values["NATIVE_SCRIPT"] = str(config.files / NATIVE_SCRIPT.name)
    values |= _from_contract(contract)
    listeners = "\n".join(
        _listeners(listener, values | _of_listener(listener, config, contract.served_by(listener)))
        for listener in Listener
    )
    template = Template((HERE / CONFIG_FILE).read_text())
    return template.substitute(_as_json(values), LISTENERS=listeners)


def _only_over_tls(config: GatewayConfig) -> list[object]:
    """The headers of each answer that only TLS may carry (RFC 6797)."""
    if config.clients_certificate is None:
        return []
    header = {"key": "strict-transport-security", "value": f"max-age={STRICT_TLS_SECONDS}"}
    return [{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]


def _clients_tls(config: GatewayConfig, *protocols: str) -> object:
    """The TLS of a listener; none where clients speak plainly."""
    if config.clients_certificate is None:
        return None
    source = {"path_config_source": {"path": str(config.files / CLIENTS_FILE)}}
    common = {
        "alpn_protocols": protocols,
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": "clients", "sds_config": source}],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": common},
    }


def _clients_secret(folder: Path) -> str:
    """The file by which Envoy finds the certificate, and reads it again as another one is moved
    into the folder; one that is of no use leaves the one before."""
    secret = {
        "@type": f"{_TLS}.Secret",
        "name": "clients",
        "tls_certificate": {
            "certificate_chain": {"filename": str(folder / "tls.crt")},
            "private_key": {"filename": str(folder / "tls.key")},
            "watched_directory": {"path": str(folder)},
        },
    }
    return json.dumps({"resources": [secret]})


def _address_limit(config: GatewayConfig, name: str) -> dict[str, object]:
    """A token bucket for each address, and for each IPv6 network of 64 bits, by a name in the
    statistics."""
    bucket = {
        "max_tokens": config.address_calls * 2,
        "tokens_per_fill": config.address_calls,
        "fill_interval": "1s",
    }
    everything = {"default_value": {"numerator": 100}}
    networks = {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}
    return {
        "@type": f"{_EXTENSIONS}.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        # For a request of no address; there is none.
        "token_bucket": bucket,
        "filter_enabled": everything,
        "filter_enforced": everything,
        "rate_limits": [{"actions": [{"masked_remote_address": networks}]}],
        "descriptors": [{"entries": [{"key": "masked_remote_address"}], "token_bucket": bucket}],
        # Of more than these the longest unused is forgotten.
        "max_dynamic_descriptors": config.addresses_max,
        "always_consume_default_token_bucket": False,
        "rate_limited_as_resource_exhausted": True,
    }


def _as_json(values: Mapping[str, object]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in values.items()}


def _listeners(listener: Listener, values: Mapping[str, object]) -> str:
    """The text of the two listeners for one kind of caller."""
    text = REST_TEMPLATE.read_text() + "\n" + NATIVE_TEMPLATE.read_text()
    own = _ONLY.sub(lambda part: part[2] if part[1] == listener else "", text)
    return Template(own).substitute(_as_json(values))


def _of_listener(
    listener: Listener, config: GatewayConfig, contract: Contract
) -> dict[str, object]:
    """The values in which listeners differ; contract has only the calls that this one leads to."""
    ports, origins = (config.rest_port, config.grpc_port), config.allowed_origins
    names, clusters = ("rest", "grpc"), ("payments", "payments_grpc")
    if listener is Listener.OPERATORS:
        ports = (config.operators_port, config.operators_grpc_port)
        origins = config.operators_origins
        names, clusters = ("operators", "operators_grpc"), ("payments_operators",) * 2
    verbs = {verb_and_path(rule)[0] for _, _, rule in contract.bindings()}
    merchants_or_operators = SERVED[listener] - {PROVIDER_EVENT}
    return {
        # Operators do not come through the proxies of the public.
        "PROXIES": 0 if listener is Listener.OPERATORS else config.proxies,
        "REST_PORT": ports[0],
        "GRPC_PORT": ports[1],
        "REST_NAME": names[0],
        "GRPC_NAME": names[1],
        "REST_CLUSTER": clusters[0],
        "GRPC_CLUSTER": clusters[1],
        "ALLOWED_ORIGINS": origins,
        "SCRIPT": str(config.files / SCRIPT_FILES[listener]),
        "OPENAPI": str(config.files / DOCUMENTS[listener].name),
        "SERVICES": list(dict.fromkeys(service for service, _, _ in contract.bindings())),
        "METHODS": ", ".join(sorted({*verbs, "HEAD"})),
        "PRINCIPALS": ",".join(sorted(SERVED[listener])),
        "REPEATABLE_CALLS": _calls(contract, merchants_or_operators, repeatable=True),
        "OTHER_CALLS": _calls(contract, merchants_or_operators, repeatable=False),
        "PROVIDER_EVENT_CALLS": _calls(contract, {PROVIDER_EVENT}, repeatable=True),
    }


def _calls(contract: Contract, principals: Container[str], *, repeatable: bool) -> str:
    """The regular expression of the calls that these principals may make, of those that may be
    made twice or of the others."""
    return "|".join(
        re.escape(f"/{service}/{method.name}")
        for service, block in contract.services.items()
        for method in block.method
        if contract.access(method).principal in principals and is_repeatable(method) is repeatable
    )


def _identity(folder: Path) -> dict[str, object]:
    names = {"CERTIFICATE_FILE": "tls.crt", "KEY_FILE": "tls.key", "AUTHORITY_FILE": "ca.crt"}
    files = {name: str(folder / file) for name, file in names.items()}
    return {"IDENTITY": str(folder), **files}


def _from_contract(contract: Contract) -> dict[str, object]:
    """The facts of the contract that are the same for all listeners: limits, and for each reason a
    code, a status and a time to wait, as OVERLOADED_CODE; in a case that has a name, as
    SERVICE_UNAVAILABLE_LATE_CODE."""
    limits = contract.limits
    values: dict[str, object] = {
        "BODY_MAX_BYTES": limits.body_max_bytes,
        "BODY_MAX_KIB": limits.body_max_bytes // 1024,
        "MESSAGE_MAX_BYTES": limits.message_max_bytes,
        "MESSAGE_MAX_KIB": limits.message_max_bytes // 1024,
        "HEADERS_MAX_BYTES": limits.headers_max_kib * 1024,
        "HEADERS_MAX_KIB": limits.headers_max_kib,
    }
    for reason, answers in contract.answers().items():
        for case, answer in answers.items():
            name = f"{reason}_{case.upper()}" if case else reason
            values[f"{name}_CODE"] = answer.grpc_code
            values[f"{name}_STATUS"] = answer.http_status
            values[f"{name}_SECONDS"] = answer.retry_after_seconds
    return values


def script(listener: Listener) -> str:
    """The scripts of a listener for REST as the one text that Envoy reads: the modules, then the
    main one."""
    modules = {path.stem: path for path in SCRIPTS.glob("*.lua")}
    main = modules.pop(MAIN_SCRIPT)
    return _modules(modules | {CALLS_MODULE: TABLES[listener]}) + main.read_text()


def _native_script() -> str:
    return _modules({CALLS_MODULE: TABLES[Listener.PUBLIC]}) + NATIVE_SCRIPT.read_text()


def _modules(files: Mapping[str, Path]) -> str:
    return "".join(
        f'package.preload["{name}"] = function()\n{files[name].read_text()}end\n'
        for name in sorted(files)
    )


def _endpoint(host: str, port: int) -> dict[str, object]:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}


def write(config: GatewayConfig, folder: Path, file: str = CONFIG_FILE) -> Path:
    """Writes the configuration, as file, and every other file that it names into folder; returns
    the former's path.

    The folder is config.files, or will be put there. Raises FileNotFoundError where the package
    with Swagger UI is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in (*_files().values(), *DOCUMENTS.values()):
        shutil.copyfile(source, folder / source.name)
    for listener, name in SCRIPT_FILES.items():
        (folder / name).write_text(script(listener))
    (folder / NATIVE_SCRIPT.name).write_text(_native_script())
    for name in SECRETS.values():
        template = Template((HERE / "envoy" / name).read_text())
        (folder / name).write_text(template.substitute(_as_json(_identity(config.identity))))
    if config.clients_certificate is not None:
        (folder / CLIENTS_FILE).write_text(_clients_secret(config.clients_certificate))
    target = folder / file
    target.write_text(render(config))
    return target


def arguments(config_file: Path, *, log_level: str = "warning") -> list[str]:
    """Envoy's arguments, after the name of its binary. The compose file says the same."""
    return [
        *("--config-path", str(config_file)),
        # Envoy would take every core; the services beside it want some.
        *("--concurrency", "1"),
        *("--log-level", log_level),
        # Hot restart takes a name that a second mesh on this machine could not have as well.
        "--disable-hot-restart",
        # A line of the access log appears within half a second, and not within ten.
        *("--file-flush-interval-msec", "500"),
    ]


def _files() -> dict[str, Path]:
    swagger_ui = _swagger_ui()
    return {
        "DESCRIPTOR": DESCRIPTOR,
        "HEALTHZ_SCRIPT": HERE / "healthz.lua",
        "CONSOLE_SCRIPT": HERE / "console.lua",
        "DOCS_PAGE": HERE / "docs" / "index.html",
        "DOCS_SCRIPT": HERE / "docs" / "start.js",
        "SWAGGER_SCRIPT": swagger_ui / "swagger-ui-bundle.js",
        "SWAGGER_STYLE": swagger_ui / "swagger-ui.css",
    }


def _swagger_ui() -> Path:
    # Found and not imported: the package wants Django when imported, and only its files serve us.
    spec = find_spec("drf_spectacular_sidecar")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("Swagger UI is missing: install drf-spectacular-sidecar")
    package = Path(spec.submodule_search_locations[0])
    return package / "static" / "drf_spectacular_sidecar" / "swagger-ui-dist"


def main() -> None:
    """Writes the folder that the container image of the gateway holds."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where to write; copied to " + str(COMPOSE.files))
    folder = parser.parse_args().folder
    for name, config in CONTAINER_CONFIGS.items():
        write(config, folder, name)


if __name__ == "__main__":
    main()
