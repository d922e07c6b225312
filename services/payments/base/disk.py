"""Publishes the room on the disk that the database is on, where it is on this machine."""

import shutil

from prometheus_client import Gauge

FREE = Gauge("caravel_disk_free_bytes", "Room left on a disk of ours.", ["disk"])
SIZE = Gauge("caravel_disk_size_bytes", "All room on it.", ["disk"])


def publish_disk(folder: str) -> None:
    """Shows the disk that the database's folder is on, asked for whenever the page is read; nothing
    where it is on another machine."""
    if not folder:
        return
    FREE.labels("database").set_function(lambda: shutil.disk_usage(folder).free)
    SIZE.labels("database").set_function(lambda: shutil.disk_usage(folder).total)
