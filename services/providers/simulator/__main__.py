"""Starts the simulator: `python -m services.providers.simulator`."""

import asyncio
import os
import signal
import sys

import uvloop
from aiohttp import web

from services.providers.simulator.app import create_app
from services.providers.simulator.catalogue import load_config
from services.providers.simulator.config import Config
from services.shared import log
from services.shared.errors import CannotStart
from services.shared.garbage import collect_seldom


async def serve(config: Config) -> None:
    """Serves until SIGTERM or SIGINT, then lets running requests finish."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(await create_app(config), access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.host, config.port).start()
        # All that it remembers stays until it ends, and would be looked at again and again.
        collect_seldom()
        log.get_logger().info("serving", name="simulator", port=runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
        log.get_logger().info("stopped", name="simulator")


if __name__ == "__main__":
    try:
        settings = load_config(os.environ)
        log.configure("simulator", settings.log_level)
        uvloop.run(serve(settings))
    except (CannotStart, OSError) as error:
        sys.exit(f"simulator cannot start: {error}")
