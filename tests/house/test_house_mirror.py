"""Tests mirror the code: services/fees/usecases.py has tests/<ring>/fees/test_usecases.py."""

from pathlib import Path

from tests.house.places import ROOT, at, check, files

# Modules whose tests stand under another name, or that have nothing of their own to test: by name
# in every service, or by path below services/.
ELSEWHERE = {
    "__init__": "says what the folder is",
    "__main__": "starts the process: the e2e ring",
    "assembly": "every wire test enters by it",
    "config": "read by every wire test, and held to its README by test_house_documents",
    "convert": "every wire test walks through it in both directions",
    "ports": "only Protocols",
    "tables": "the database ring builds and asks them",
    "settings": "settings of the adapters, held to the README by test_house_documents",
    "shared/clock": "one line over the system's clock; a test brings its own",
    "shared/errors": "classes without behaviour; what becomes of them is grpc_status's",
}
RINGS = ("unit", "wire", "database", "contract")


def _name(module: Path) -> str:
    return module.relative_to(ROOT / "services").with_suffix("").as_posix()


def _is_mirrored(module: Path) -> bool:
    """Whether a test has the module's name, or that of the folder it is in."""
    relative = module.relative_to(ROOT / "services")
    service = relative.parts[0]
    names = {module.stem, *relative.parts[1:-1]}
    tests = files("test_*.py", below=tuple(f"tests/{ring}" for ring in RINGS))
    return any(
        f"_{name}_" in f"_{test.stem}_" and (service in test.parts or "contract" in test.parts)
        for name in names
        for test in tests
    )


def test_every_module_has_its_test() -> None:
    modules = [
        path
        for path in files("*.py", below=("services",))
        if not {path.stem, path.parent.name, _name(path)} & ELSEWHERE.keys()
        and "migrations" not in path.parts
    ]
    check(
        at(path, 1, f"write tests/unit/{service}/test_{path.stem}.py, or say where else")
        for path in modules
        for service in path.relative_to(ROOT).parts[1:2]
        if not _is_mirrored(path)
    )
