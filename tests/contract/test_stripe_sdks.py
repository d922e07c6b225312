"""Stripe's own SDKs for Node and Java against the simulator: they send what they send to Stripe,
and understand every answer and every refusal."""

from pathlib import Path

from tests.contract import sdks
from tests.contract.faults import Trial
from tests.contract.providers.stripe import KEY

JARS = {
    "com.google.code.gson:gson:2.10.1": (
        "4241c14a7727c34feea6507ec801318a3d4a90f070e4525681079fb94ee4c593"
    ),
    "com.stripe:stripe-java:33.3.0": (
        "5f9197882b2928e9a6e840f790de585849e5e8623bea1c6a95da3effd96a8295"
    ),
}


async def test_sdk_for_node_understands_every_answer(trial: Trial) -> None:
    modules = sdks.node_modules()

    made = await sdks.calls(["node", str(sdks.HERE / "stripe.mjs"), trial.lab.url, KEY, modules])

    assert len(made) == 41


async def test_sdk_for_java_understands_every_answer(trial: Trial, tmp_path: Path) -> None:
    path = sdks.class_path(JARS)
    sdks.run(["javac", "-cp", path, "-d", str(tmp_path), str(sdks.HERE / "Newcomer.java")])

    made = await sdks.calls(["java", "-cp", f"{path}:{tmp_path}", "Newcomer", trial.lab.url, KEY])

    assert len(made) == 28
