"""The stack for real money keeps what deploy/live/README.md says of it. Whether it works is seen by
running it."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.local.mesh import processes
from gateway.console.config import ConsoleSettings
from services.fees.config import Config as FeesConfig
from services.fx.config import Config
from services.fx.sources import SOURCES, registration
from services.payments.config import AdminSettings, ServiceSettings, WorkerSettings
from services.providers.adapters import ADAPTERS
from services.providers.config import Config as ProvidersConfig
from services.shared.deployment import Deployment
from services.shared.env import Settings
from tests.corridors import SHIPPED
from tests.house.places import ROOT, check

FOLDER = ROOT / "deploy" / "live"
PAGE = (FOLDER / "README.md").read_text()
TEXT = (FOLDER / "compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"migrate", "admin"}
# The classes of the variables that each process reads, some only where a corridor names a source or
# a provider.
READS: dict[str, list[type[BaseModel]]] = {
    "fees": [FeesConfig],
    "fx": [
        Config,
        *(one.settings for one in SOURCES.values() if one.settings),
        *(one.settings for one in [registration("json_acme")] if one and one.settings),
    ],
    "providers": [ProvidersConfig, *(adapter.settings for adapter in ADAPTERS.values())],
    "payments": [ServiceSettings],
    "worker": [WorkerSettings],
    "console": [ConsoleSettings],
    "admin": [AdminSettings],
}
# Of a database on the same machine, which is none of this stack's.
OF_ONE_MACHINE = {"database_folder"}
# Each network, with everybody in it.
NETWORKS = {
    "public": {"gateway"},
    "mesh": {"gateway", *processes.SERVICES},
    "database": {"migrate", "payments", "worker", "admin"},
    "egress": {"fx", "providers", "payments", "worker", "console"},
}


def test_it_has_every_process_but_the_simulator_and_the_database() -> None:
    assert set(SERVICES) == {*processes.SERVICES, "authority", "migrate", "gateway", "admin"}


def test_containers_may_do_little_and_take_a_bounded_part_of_the_machine() -> None:
    check(
        f"deploy/live/compose.yml:1: {name} is not {setting}: {wanted}"
        for name, service in SERVICES.items()
        for setting, wanted in {
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": 256,
        }.items()
        if service.get(setting) != wanted
    )
    for name, service in SERVICES.items():
        assert {"mem_limit", "cpus"} <= service.keys(), name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert service["restart"] == "unless-stopped" or name in ONCE, name
        assert service["healthcheck"].get("test") or name in ONCE, name


def test_each_container_is_in_the_networks_that_it_needs() -> None:
    found: dict[str, set[str]] = {name: set() for name in COMPOSE["networks"]}
    for name, service in SERVICES.items():
        for network in service.get("networks", []):
            found[network].add(name)

    assert found == NETWORKS
    assert COMPOSE["networks"]["mesh"]["internal"]
    assert SERVICES["authority"]["network_mode"] == "none"
    check(
        f"deploy/live/README.md:1: {network} has {', '.join(sorted(members))}"
        for network, members in NETWORKS.items()
        for row in re.findall(rf"^\| `{network}` \| ([^|]+) \|", PAGE, re.MULTILINE) or [""]
        if {name.strip() for name in row.split(",")} != members
    )


def test_only_the_gateway_is_published_and_for_operators_on_this_machine() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"gateway"}
    defaults = re.findall(r"OPERATORS\w*:-([^}]+)\}", TEXT)
    assert defaults and all(address.startswith("127.0.0.1:") for address in defaults)


def test_no_secret_and_no_image_has_a_default() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))
    assert not [
        name for name in defaults if re.search("SECRET|KEY|PASSWORD|IMAGE|DEPLOYMENT", name)
    ]
    assert {service["image"].split(":?")[0] for service in SERVICES.values()} == {
        "${SERVICES_IMAGE",
        "${GATEWAY_IMAGE",
    }
    # A secret enters as a file that is named, and each container has a folder of its own.
    check(
        f"deploy/live/compose.yml:1: {name} has {variable} by its value"
        for name, service in SERVICES.items()
        for variable in service.get("environment", {})
        if re.search(r"(PASSWORD|SECRETS?|KEYS?|DATABASE_URL)$", variable)
    )


def test_every_variable_that_it_demands_is_in_the_example() -> None:
    example = (FOLDER / "example.env").read_text()
    demanded = set(re.findall(r"\$\{(\w+):\?", TEXT))

    check(
        f"deploy/live/example.env:1: {name} is missing"
        for name in sorted(demanded)
        if not re.search(rf"^{name}=", example, re.MULTILINE)
    )


def test_each_variable_of_a_service_can_be_set() -> None:
    assert {*READS} == {*processes.SERVICES, "admin"}
    check(
        f"deploy/live/compose.yml:1: {name} cannot be given {field.upper()}"
        for name, fields in _fields().items()
        for field in fields.keys() - _of_the_image()
        if "env_file" not in SERVICES[name] or field in Settings.model_fields
        # A command by hand needs no more than its database.
        if name != "admin" or field not in Settings.model_fields
        if not {field.upper(), f"{field.upper()}_FILE"} & SERVICES[name]["environment"].keys()
    )


def test_page_names_each_file_of_settings_in_a_folder_that_its_service_sees() -> None:
    check(
        f"deploy/live/README.md:1: {field.upper()} is {path or 'missing'}, which {name} cannot read"
        for name, fields in _fields().items()
        for field, info in fields.items()
        if "Path" in str(info.annotation) and field not in OF_ONE_MACHINE
        for path in [_set_for(name).get(field.upper(), "")]
        if not any(
            path == folder or path.startswith(f"{folder}/") for folder in _folders_seen_by(name)
        )
    )


def _of_the_image() -> set[str]:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    return {name.lower() for name in re.findall(r"^[ENV ]* (\w+)=", dockerfile, re.MULTILINE)}


def _fields() -> dict[str, dict[str, FieldInfo]]:
    return {
        name: {key: field for one in classes for key, field in one.model_fields.items()}
        for name, classes in READS.items()
    }


def _set_for(name: str) -> dict[str, str]:
    """The variables of a service: those of compose.yml, and of its file as the page shows it."""
    files = re.findall(r"\$\{(\w+)_ENV", str(SERVICES[name].get("env_file", "")))
    shown = {
        variable: value
        for file in files
        for block in re.findall(
            rf"^`/etc/caravel/{file.lower()}\.env`.*?```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL
        )
        for variable, value in re.findall(r"^(\w+)=(.+)$", block, re.MULTILINE)
    }
    return shown | SERVICES[name]["environment"]


def _folders_seen_by(name: str) -> set[str]:
    return {volume.rsplit(":", 2)[1] for volume in SERVICES[name]["volumes"]}


def test_the_rate_terms_of_its_page_are_those_of_a_live_corridor(tmp_path: Path) -> None:
    (terms,) = re.findall(r"```toml\n(\[fx\]\n.*?)```", PAGE, re.DOTALL)
    text = (SHIPPED / "us-in.toml").read_text()
    with_terms, count = re.subn(r"^\[fx\]\n.*?\n\n", f"{terms}\n", text, flags=re.M | re.S)
    (tmp_path / "us-in.toml").write_text(with_terms)
    variables = dict(re.findall(r"^(FRANKFURTER_PROVIDERS)=(.+)$", PAGE, re.MULTILINE))

    config = Config.load(
        {
            **variables,
            "OPENEXCHANGERATES_APP_ID": "of-32-hexadecimal-digits",
            "CORRIDORS_DIR": str(tmp_path),
            "DEPLOYMENT": "live",
        }
    )

    assert count == 1
    assert config.deployment is Deployment.LIVE


def test_the_filled_in_example_is_not_for_the_repository() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
