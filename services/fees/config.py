"""The settings of this service, beside those of every service."""

from pathlib import Path

from services.shared.env import Field, Settings


class Config(Settings):
    """Settings of the fees service."""

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")
