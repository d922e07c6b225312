"""The room on the disk of a folder is what the page shows."""

import shutil
from pathlib import Path

from prometheus_client import REGISTRY

from services.payments.base.disk import publish_disk


def test_the_disk_of_the_folder_is_published(tmp_path: Path) -> None:
    publish_disk(str(tmp_path))

    size = REGISTRY.get_sample_value("caravel_disk_size_bytes", {"disk": "database"})
    free = REGISTRY.get_sample_value("caravel_disk_free_bytes", {"disk": "database"})
    assert size == shutil.disk_usage(tmp_path).total
    assert free is not None
    assert 0 < free < size
