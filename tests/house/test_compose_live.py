"""The stack for real money keeps what deploy/live/README.md says of it. Whether it works is seen by
running it."""

import re
from pathlib import Path
from typing import Any

import yaml

from deploy.local.mesh import processes
from services.fx.config import Config
from services.shared.deployment import Deployment
from tests.corridors import SHIPPED
from tests.house.places import ROOT, check

FOLDER = ROOT / "deploy" / "live"
TEXT = (FOLDER / "compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"migrate", "admin"}
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
    page = (FOLDER / "README.md").read_text()
    check(
        f"deploy/live/README.md:1: {network} has {', '.join(sorted(members))}"
        for network, members in NETWORKS.items()
        for row in re.findall(rf"^\| `{network}` \| ([^|]+) \|", page, re.MULTILINE) or [""]
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


def test_the_rate_terms_of_its_page_are_those_of_a_live_corridor(tmp_path: Path) -> None:
    page = (FOLDER / "README.md").read_text()
    (terms,) = re.findall(r"```toml\n(\[fx\]\n.*?)```", page, re.DOTALL)
    text = (SHIPPED / "us-in.toml").read_text()
    with_terms, count = re.subn(r"^\[fx\]\n.*?\n\n", f"{terms}\n", text, flags=re.M | re.S)
    (tmp_path / "us-in.toml").write_text(with_terms)
    variables = dict(re.findall(r"^(FRANKFURTER_PROVIDERS)=(.+)$", page, re.MULTILINE))

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
