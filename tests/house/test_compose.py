"""The containers keep what deploy/README.md says of them. Whether they work is seen by running the
e2e ring against them."""

import re
from typing import Any

import yaml
from sqlalchemy import make_url

from deploy import authority
from deploy.local.mesh import processes
from services.providers.simulator.catalogue import APIS
from tests.house.places import ROOT, check

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
RUNS_ONCE = {"migrate", "signing-keys"}
# These start with the profile of that name only.
OBSERVABILITY = {"prometheus", "alertmanager", "grafana"}
KEEPS_STATE = {"postgres", "simulator", "signing-keys", "authority", *OBSERVABILITY}
SECRET = re.compile(r"PASSWORD|SECRET|KEY|_URL$")
SANDBOX_VALUE = re.compile(r"\$\{\w+:-(\w+[_-])?(sandbox[\w-]*|whsec_[\w+/=]+|MII[\w+/=]+)\}")


def test_every_process_of_the_local_mesh_has_a_container() -> None:
    others = {"simulator", "postgres", "migrate", "gateway", "signing-keys", "authority"}
    assert set(SERVICES) == {*processes.SERVICES, *others, *OBSERVABILITY}
    profiles = {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one}
    assert profiles == {name: ["observability"] for name in OBSERVABILITY}


def test_of_the_mesh_only_the_gateway_is_published_and_all_on_this_machine_only() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published.keys() == {"gateway", *OBSERVABILITY}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_containers_may_do_little() -> None:
    check(
        f"docker-compose.yml:1: {name} is not {setting}: {wanted}"
        for name, service in SERVICES.items()
        for setting, wanted in {
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": 256,
        }.items()
        if service.get(setting) != wanted
    )


def test_containers_take_a_bounded_part_of_the_machine() -> None:
    for name, service in SERVICES.items():
        assert "mem_limit" in service, name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        # PostgreSQL answers all of them, and has as many processes as there are sessions.
        assert "cpus" in service or name == "postgres", name


def test_only_who_logs_in_at_postgresql_reaches_it() -> None:
    reaching = {name for name, one in SERVICES.items() if "database" in one.get("networks", [])}
    assert reaching == {"postgres", "migrate", "payments", "worker"}
    assert COMPOSE["networks"]["database"]["internal"]
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_everything_that_stays_has_a_healthcheck_and_starts_again() -> None:
    staying = {name: service for name, service in SERVICES.items() if name not in RUNS_ONCE}
    check(
        f"docker-compose.yml:1: {name} needs a healthcheck and restart: unless-stopped"
        for name, service in staying.items()
        if not service["healthcheck"].get("test") or service["restart"] != "unless-stopped"
    )


def test_scalable_service_has_no_name_and_no_volume_of_its_own() -> None:
    check(
        f"docker-compose.yml:1: a second {name} would be refused"
        for name, service in SERVICES.items()
        if "container_name" in service or (name not in KEEPS_STATE and _writes(service))
    )


def _writes(service: dict[str, Any]) -> bool:
    return not all(volume.endswith(":ro") for volume in service.get("volumes", []))


def test_each_service_has_its_own_certificate_and_nobody_has_the_authority_s_key() -> None:
    mounted = {name: service.get("volumes", []) for name, service in SERVICES.items()}
    for name, volumes in mounted.items():
        if name != "authority":
            own = [identity_of(name)] if name in (*processes.SERVICES, "gateway") else []
            assert [one for one in volumes if "identity" in one or "authority" in one] == own, name
    assert set(mounted["authority"]) == {
        "authority:/certificates/authority",
        *(f"{name}-identity:/certificates/{name}" for name in authority.SERVICES),
    }


def identity_of(name: str) -> str:
    """The volume of a service with its certificate, which it reads and may not write."""
    return f"{name}-identity:/etc/caravel/identity:ro"


def test_secrets_are_the_sandbox_s_own_and_can_be_replaced() -> None:
    check(
        f"docker-compose.yml:1: {name} has a secret of its own in {variable}"
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if SECRET.search(variable) and not variable.endswith("_FILE")
        if not _is_plain_address(value)
        if not SANDBOX_VALUE.search(value)
    )


def test_page_names_every_variable_that_compose_reads() -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    table = page.partition("| Variable of `docker compose` |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row)}
    read = set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text()))
    assert named == read


def test_nothing_logs_in_as_the_superuser() -> None:
    postgres = SERVICES["postgres"]["environment"]
    roles = {
        name: make_url(value).username
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if variable.endswith("DATABASE_URL")
    }
    assert roles == {"migrate": "caravel", "payments": "caravel_app", "worker": "caravel_app"}
    assert postgres["POSTGRES_USER"] not in roles.values()


def test_each_provider_and_its_stand_in_share_their_secrets() -> None:
    adapters, simulator = (SERVICES[name]["environment"] for name in ("providers", "simulator"))
    check(
        f"docker-compose.yml:1: {provider} needs {variable} for {service}, as the other side has it"
        for provider, api in APIS.items()
        for name in api.settings.secret_forms
        for variable, service, found in (
            (name.upper(), "simulator", simulator.get(name.upper())),
            (_ours(name), "providers", adapters.get(_ours(name))),
        )
        if found is None or found != simulator.get(name.upper())
    )


def _ours(name: str) -> str:
    """The adapter's variable for a secret of the simulator."""
    return f"{name.upper()}S" if name.endswith("_webhook_secret") else name.upper()


def _is_plain_address(value: str) -> bool:
    return value.startswith("http://") and "@" not in value


def test_images_hold_no_secret_and_no_root() -> None:
    assert not re.search(
        r"(?i)password|secret=|_key=|^ARG (?!\w+_IMAGE=)", DOCKERFILE, re.MULTILINE
    )
    stages = re.split(r"^FROM .+ AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    final = {stage.split()[0]: stage for stage in stages if "ENTRYPOINT" in stage}
    assert set(final) == {"services", "gateway"}
    assert all(re.search(r"^USER 10001:10001$", stage, re.MULTILINE) for stage in final.values())
    # Exec form: else a shell stands between SIGTERM and the process.
    assert all(re.search(r"^ENTRYPOINT \[", stage, re.MULTILINE) for stage in final.values())


def test_images_are_built_from_nothing_but_what_is_listed() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    check(
        f".dockerignore:1: let {source} in, the Dockerfile copies it"
        for sources in copied
        for source in sources.split()
        if not any(source == line.removeprefix("!") for line in lines)
        and not any(source.startswith(line.removeprefix("!") + "/") for line in lines)
    )
