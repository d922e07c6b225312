"""Writes everything that is made from the .proto files: Python and stubs under protos/gen, and the
descriptor set that Envoy loads. Run by `./caravel protos`; a test holds the result to be fresh."""

import shutil
import sys
from pathlib import Path

from google.api import annotations_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GOOGLE_APIS = Path(annotations_pb2.__file__).resolve().parents[2]
# Error details must be in the set, or Envoy answers an error with an empty body.
ERROR_DETAILS = GOOGLE_APIS / "google/rpc/error_details.proto"


def sources() -> list[str]:
    """All of our .proto files, sorted, relative to protos/."""
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("caravel/**/*.proto"))


def generate(python_out: Path, descriptor_out: Path) -> None:
    """Writes the Python tree into python_out (emptied first) and the descriptor set to a file."""
    shutil.rmtree(python_out, ignore_errors=True)
    python_out.mkdir(parents=True)
    descriptor_out.parent.mkdir(parents=True, exist_ok=True)
    well_known = Path(protoc.__file__).parent / "_proto"
    include = [f"-I{PROTOS}", f"-I{GOOGLE_APIS}", f"-I{well_known}"]
    plugin = Path(sys.executable).parent
    _run(
        *include,
        f"--plugin=protoc-gen-mypy={plugin / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugin / 'protoc-gen-mypy_grpc'}",
        f"--python_out={python_out}",
        f"--grpc_python_out={python_out}",
        f"--mypy_out={python_out}",
        f"--mypy_grpc_out={python_out}",
        *sources(),
    )
    for unused in [*python_out.rglob("*_pb2_grpc.py"), *python_out.rglob("*_pb2_grpc.pyi")]:
        if "Stub" not in unused.read_text():
            unused.unlink()
    _run(
        *include,
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={descriptor_out}",
        *sources(),
        str(ERROR_DETAILS.relative_to(GOOGLE_APIS)),
    )


def _run(*arguments: str) -> None:
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit("protoc refused the .proto files; its words are above")


if __name__ == "__main__":
    generate(PROTOS / "gen", ROOT / "gateway" / "descriptor.binpb")
