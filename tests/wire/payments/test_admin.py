"""The command line on merchants and keys: the same verbs as by RPC, on a real database, with the
command as the one who acts."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.admin import perform, read
from services.payments.config import AdminSettings
from services.shared.deployment import Deployment
from services.shared.env import SecretStr
from services.shared.errors import DomainError
from tests.conftest import Database
from tests.poison import rows


@pytest.fixture
def config(database: Database) -> AdminSettings:
    return AdminSettings(database_url=SecretStr(database.url), deployment=Deployment.STAGING)


async def run(config: AdminSettings, *words: str) -> Any:
    return await perform(config, read(words))


async def test_a_merchant_is_made_shown_listed_disabled_and_enabled(
    config: AdminSettings, engine: AsyncEngine
) -> None:
    made = await run(config, "merchants", "create", "--name", "Acme")
    merchant_id = made["merchant_id"]

    disabled = await run(config, "merchants", "disable", merchant_id, "--note", "contract ended")
    shown = await run(config, "merchants", "show", merchant_id)
    enabled = await run(config, "merchants", "enable", merchant_id)

    assert (shown, shown["status"]) == (disabled, "DISABLED")
    assert (enabled["name"], enabled["status"]) == ("Acme", "ENABLED")
    assert await run(config, "merchants", "list") == [enabled]
    log = "SELECT operator, action, note FROM operator_actions ORDER BY id"
    assert await rows(engine, log) == [
        ("command", "CREATE_MERCHANT", ""),
        ("command", "CREATE_MERCHANT_KEY", ""),
        ("command", "DISABLE_MERCHANT", "contract ended"),
        ("command", "ENABLE_MERCHANT", ""),
    ]


async def test_keys_of_a_merchant_are_made_listed_and_revoked(config: AdminSettings) -> None:
    made = await run(config, "merchants", "create", "--name", "Acme")
    merchant_id = made["merchant_id"]

    revoked = await run(config, "merchants", "revoke-key", merchant_id, made["key_id"])
    second = await run(config, "merchants", "create-key", merchant_id, "--name", "second")
    ended = await run(config, "merchants", "revoke-keys", merchant_id, "--all")
    listed = await run(config, "merchants", "keys", merchant_id)

    assert revoked["status"] == "REVOKED"
    assert second["api_key"].startswith("cvl_test_")
    assert ended == {"revoked_key_ids": [second["key"]["key_id"]]}
    assert [(key["name"], key["status"]) for key in listed] == [
        ("second", "REVOKED"),
        ("first key", "REVOKED"),
    ]


async def test_keys_of_operators_are_made_listed_rolled_and_revoked(config: AdminSettings) -> None:
    made = await run(config, "operators", "create", "--name", "ada", "--role", "admin")

    rolled = await run(config, "operators", "roll", made["key_id"], "--overlap-hours", "1")
    new_id = rolled["key"]["key_id"]
    revoked = await run(config, "operators", "revoke", new_id)
    listed = await run(config, "operators", "list")

    assert rolled["api_key"].startswith("cvo_test_")
    assert revoked["status"] == "REVOKED"
    assert [(key["key_id"], key["rolled_to"]) for key in listed] == [
        (new_id, ""),
        (made["key_id"], new_id),
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("merchants", "create", "--name", " "), "FIELD_REQUIRED"),
        (("merchants", "show", "mer_1"), "MERCHANT_NOT_FOUND"),
        (("merchants", "disable", "sandbox"), "MERCHANT_NOT_FOUND"),
        (("operators", "create", "--name", "ada", "--role", "root"), "FIELD_INVALID"),
        (("operators", "roll", "opk_1", "--overlap-hours", "73"), "FIELD_INVALID"),
        (("operators", "revoke", "opk_1"), "OPERATOR_KEY_NOT_FOUND"),
    ],
    ids=" ".join,
)
async def test_a_command_is_refused_with_the_reason_of_the_call(
    config: AdminSettings, words: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await run(config, *words)

    assert refused.value.error_reason == reason


@pytest.mark.parametrize(
    "words",
    [
        ("merchants", "revoke-keys", "mer_1"),
        ("operators", "roll", "opk_1"),
        ("operators", "roll", "opk_1", "--overlap-hours", "soon"),
        ("merchants",),
    ],
    ids=" ".join,
)
def test_a_command_that_leaves_something_out_makes_no_sense(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read(words)

    assert exit_.value.code == 2
