"""What this service reads from the environment, beside what every service reads."""

from pathlib import Path

from services.shared.env import Field, Settings


class Config(Settings):
    """Settings of the fees service."""

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")
