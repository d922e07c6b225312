"""How Caravel is run: on one machine (local), in containers, and the corridors it offers."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORRIDORS = ROOT / "deploy" / "corridors"
POLICY = ROOT / "deploy" / "policy.toml"
