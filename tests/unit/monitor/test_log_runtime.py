"""What the agent tells the log service to follow, and what not."""

import asyncio
from pathlib import Path

import logs
from logs.following.discovery import Discovery
from monitor.agent.log_runtime import LogRuntime
from monitor.config.settings import Settings
from monitor.metrics.messages import Hello, HostInfo

HELLO = Hello(1, 1, 1.0, "procfs", HostInfo("h", "boot", 1, "kernel", "platform", 2, 3, 100))


def test_its_own_files_are_left_out_whatever_their_folder_is_called(tmp_path: Path) -> None:
    """Signs of patterns in the path of the data directory are letters like any other."""
    data_dir, wanted = tmp_path / "shop[1]*", list[logs.LogSettings]()
    data_dir.mkdir()

    async def until_begun() -> None:
        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        def begin(_hello: Hello, settings: logs.LogSettings) -> logs.LogService:
            wanted.append(settings)
            loop.call_soon_threadsafe(begun.set)
            raise logs.LogsError("enough is known")

        runtime = LogRuntime(settings=Settings, data_dir=data_dir, outputs=dict, begin=begin)
        runtime.host_known(HELLO)
        await begun.wait()

    asyncio.run(until_begun())
    discovery = Discovery(globs=(), excluded=wanted[0].exclude, own_pids=set, discover=True)
    assert discovery.excludes(f"{data_dir}/services/web/output.log")
    assert not discovery.excludes(f"{tmp_path}/shop1/app.log")
