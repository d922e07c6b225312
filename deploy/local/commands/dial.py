"""`dial`: the words by which grpcurl calls a service inside the mesh as an operator. It prints them
and calls nobody."""

from deploy.authority import OPERATOR, SERVERS
from deploy.local.mesh import state
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, command, say
from services.shared.certificates import files_in, host_name


def dial(data_dir: DataDir, service: str) -> int:
    """Prints the certificate, the name that the service must have, and where it is. Raises Problem
    where there is no such service, or the mesh does not run."""
    if service not in SERVERS:
        raise Problem(f"there is no {service} inside; there are: {', '.join(SERVERS)}")
    mesh = state.running(data_dir)
    if mesh is None or service not in {process.name for process in mesh.processes}:
        raise Problem(f"{service} is not running; `{command('up')}` starts it")
    files = files_in(data_dir.certificates / OPERATOR)
    words = (
        *("-cacert", files.mesh_authority_file),
        *("-cert", files.mesh_certificate_file),
        *("-key", files.mesh_key_file),
        *("-servername", host_name(service)),
        f"{HOST}:{mesh.process(service).port}",
    )
    say(" ".join(map(str, words)))
    return 0
