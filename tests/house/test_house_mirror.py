"""Tests mirror the code: services/fees/usecases.py has tests/<ring>/fees/test_usecases.py, and a
module of a room of payments has its test in the folder of that room."""

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
    "payments/base/columns": "lists of columns, which every statement of the database ring has",
    "fx/opened": "refuses corridor files in the wire ring: fx/test_servicer",
    "providers/corridors": "refuses corridor files in the wire ring: providers/test_servicer",
    "payments/base/corridor_versions": "read by operators/test_corridors",
    "payments/model/corridor_version": "only a noun, which operators/test_corridors makes",
    "payments/base/database": "the processes open it, and refuse to: test_refusals_to_start",
    "payments/base/attempt_rows": "every test of the engine's store walks through it",
    "payments/base/refund_rows": "every refund of the database ring walks through it: orders",
    "payments/base/related": "every refund that is read is attached by it: orders",
    "payments/webhooks_out/notification": "webhooks_out/test_convert tries each event",
    "payments/base/condition_rows": "quotes of the database ring walk through it: orders",
    "payments/base/trail_rows": "quotes of the database ring walk through it: orders",
    "payments/base/disclosure_rows": "quotes of the wire ring walk through it: disclosures",
    "payments/base/values": "each damage is read by it: base/test_unreadable_rows_by_every_damage",
    "payments/base/idempotency_store": "asked by every creation and refund of the database ring",
    "payments/base/wake": "the worker's own tests wait for it: engine/test_worker",
    "payments/base/view": "webhooks_out/test_convert reads what it makes",
    "payments/engine/written": "cancelling and refunds are written by it: orders",
    "payments/orders/verbs": "each correction and refund of the database ring is one: orders",
    "payments/merchants/sandbox": "each built-in operator acts in operators/test_keys",
    "payments/operators/store/dead_letters": "asked by every wire test of operators",
    "payments/operators/inspected": "only nouns, which operators/test_inspection asks for",
    "payments/operators/store/inspected_rows": "read by operators/test_inspection",
    "payments/operators/store/leading": "operators/test_search tries each lead",
    "payments/operators/store/changes": "asked by operators/test_watching",
    "payments/operators/store/operations": "asked by every wire test of operators",
    "payments/operators/store/actions": "asked by every wire test of operators",
    "payments/operators/opening": "every wire test enters by it",
    "payments/operators/store/overrides": "asked by operators/test_agreed_verbs",
    "payments/operators/store/pauses": "asked by operators/test_pausing",
    "payments/operators/pause_ports": "only Protocols",
    "payments/operators/replay_ports": "nouns and a Protocol, which operators/test_replaying makes",
    "payments/operators/store/replays": "asked by operators/test_replaying",
    "payments/operators/store/adjustments": "asked by operators/test_adjusting",
    "payments/audit/adjusted": "operators/test_adjusting tampers with adjustments",
    "payments/base/held": "operators/test_held_overrides holds it to its times",
    "payments/engine/store/paused": "each of its pauses is met in engine/test_paused_sends",
    "payments/operators/store/makers": "asked by operators/test_proposals",
    "payments/operators/proposing": "each proposal is made and decided by it: test_proposals",
    "payments/operators/expiring": "runs in operators/test_proposals",
    "payments/mesh/channels": "opened by every process of payments: the e2e ring",
    "payments/model/disclosure": "kept and shown by every test of disclosures",
    "payments/mesh/starting": "every start of the e2e ring; refused in test_refusals_to_start",
    "payments/operators/store/opening": "every wire test of operators enters by it",
    "payments/merchants/opening": "every call of the wire ring is admitted by it",
    "payments/orders/opening": "every wire test of orders enters by it",
    "payments/model/endpoint": "made by every test of endpoints",
    "payments/model/principal": "made by every call that is admitted: merchants",
    "payments/model/operator": "made by every test of operators",
    "payments/base/sources": "each damage is read by it: base/test_unreadable_rows_by_every_damage",
    "payments/base/times": "each damage is shown by it: base/test_unreadable_rows_by_every_damage",
    "payments/mesh/operation_lists": "called by every process of payments: the e2e ring",
    "payments/recover": "prints what recovery/standing finds: the e2e ring",
    "payments/recovery/gates": "each gate is met in recovery/test_standing",
    "payments/recovery/asking": "each provider is asked by it: recovery/test_taken_up",
    "payments/recovery/on_record": "each story of recovery/test_taken_up is put there by it",
    "payments/recovery/opening": "every start of the e2e ring",
    "payments/recovery/rebuilt": "each story of recovery/test_rebuilding is made by it",
    "payments/recovery/report": "read by the e2e ring: test_restore",
    "payments/operators/accepting": "asked by the database and the wire tests of recovery",
    "payments/operators/finding": "met by the database and the wire tests of recovery",
    "payments/operators/store/lost_returns": "asked by recovery/test_lost_returns",
    "payments/operators/store/finding": "asked by every test of recovery/test_running",
    "payments/recovery/course": "only nouns, which recovery/test_running reads",
    "payments/recovery/store/recoveries": "asked by every test of recovery/test_running",
    "payments/recovery/store/rebuilt": "asked by every test of recovery/test_rebuilding",
    "payments/recovery/store/lost": "asked by every test of recovery/test_recovering",
    "payments/recovery/store/marks": "asked by every test of recovery/test_standing",
    "providers/listed": "only nouns, which contract/test_operation_lists asks for",
    "payments/webhooks_in/store/inbox": "asked by the wire tests of webhooks_in",
    "payments/base/unreadable": "a row is read or named by it: base/test_unreadable_rows",
    "payments/audit/prices": "each damage is looked at by it: audit/test_audit_and_verify",
    "payments/disclosures/document": "only nouns, of which the facts are made",
    "payments/disclosures/usecases": "asked by the wire tests of disclosures",
    "payments/explain": "prints what audit/explained makes: the e2e ring",
    "payments/verify": "prints what audit/verify makes: the e2e ring",
    "payments/worker": "starts the process: the e2e ring",
    "shared/clock": "one line over the system's clock; a test brings its own",
    "shared/sandbox_operators": "each built-in operator acts in operators/test_keys",
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
    # payments has folders, and the tests of each are in a folder of its name.
    room = set(relative.parts[1:2]) if service == "payments" and len(relative.parts) > 2 else set()
    tests = files("test_*.py", below=tuple(f"tests/{ring}" for ring in RINGS))
    return any(
        f"_{name}_" in f"_{test.stem}_"
        and (service in test.parts or "contract" in test.parts)
        and room <= set(test.parts)
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
