"""Where things lie: the checkout, and the data folder (.caravel) with everything a mesh leaves
behind. Where PostgreSQL keeps its files is decided in placement."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORRIDORS = ROOT / "deploy" / "corridors"
# Names the supervisor's own log, which a mesh in the background writes.
SUPERVISOR = "caravel"
DEFAULT_DATA_DIR = ROOT / ".caravel"


def private(path: str, flags: int) -> int:
    """Opens a file, and makes one that only its owner may read; for open's opener."""
    return os.open(path, flags, 0o600)


@dataclass(frozen=True)
class DataDir:
    """The folder of one mesh. Two meshes side by side have two of them."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """The data folder at a path that may be relative to where one stands."""
        return cls(path.resolve())

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def gateway(self) -> Path:
        """Envoy's configuration and the files it names, written at each start."""
        return self.root / "gateway"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's files, where its user can reach them here."""
        return self.root / "postgres"

    @property
    def simulator_book(self) -> Path:
        """The book of the simulator."""
        return self.root / "simulator.jsonl"

    @property
    def state(self) -> Path:
        """The running processes, ports and addresses."""
        return self.root / "state.json"

    @property
    def credentials(self) -> Path:
        """Passwords and keys of the sandbox."""
        return self.root / "credentials.json"

    @property
    def lock(self) -> Path:
        """Locked for as long as a mesh runs."""
        return self.root / "lock"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Makes the folders. They are their owner's alone, and so are the files of earlier runs."""
        is_ours = self.lock.exists() or not self.root.exists()
        self.root.mkdir(parents=True, exist_ok=True)
        if is_ours:
            # Root's PostgreSQL runs as nobody, who has to pass through, and may not look around.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.logs, self.gateway):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        kept = (self.simulator_book, self.state, self.credentials, self.lock)
        for file in (*self.logs.iterdir(), *kept):
            if file.is_file():
                file.chmod(0o600)

    def forget(self) -> None:
        """Deletes everything a mesh has made here, and nothing that it has not."""
        for folder in (self.gateway, self.postgres):
            shutil.rmtree(folder, ignore_errors=True)
        for log in self.logs.glob("*.log*"):
            # We may be writing to it ourselves.
            if log != self.log(SUPERVISOR):
                log.unlink()
        for file in (self.simulator_book, self.state, self.credentials):
            file.unlink(missing_ok=True)
