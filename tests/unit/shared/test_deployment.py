"""The deployment has no default and no other spelling."""

import pytest

from services.shared.deployment import Deployment
from services.shared.env import Settings, SettingsError


@pytest.mark.parametrize("name", ["sandbox", "staging", "live"])
def test_each_deployment_is_read_by_its_name(name: str) -> None:
    assert Settings.load({"DEPLOYMENT": name}).deployment is Deployment(name)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DEPLOYMENT": ""},
        {"SANDBOX": "true"},
        *({"DEPLOYMENT": name} for name in ("production", "Live", "LIVE", "live,sandbox", "true")),
    ],
)
def test_any_other_is_refused_in_one_sentence(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(environment)

    assert str(refused.value) == (
        "the environment cannot be used: DEPLOYMENT must be sandbox, staging or live"
    )
