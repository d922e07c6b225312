"""The verbs of a database that is older than what has happened."""

from gateway.console.verbs.model import REASON, Verb

RECOVERY_VERBS = (
    Verb(
        "start-recovery",
        "Recover the database",
        "Every provider is asked for all that it has done since the database was last compared, "
        "and each operation that was lost is given to its payment.",
        (REASON,),
        call="StartRecovery",
        back="/recovery",
    ),
    Verb(
        "accept-database",
        "Accept the database",
        "Sends begin from a database that is older than what has happened, as it is.",
        (REASON,),
        call="AcceptDatabase",
        proposal="accept_database",
        reason_field="reason",
        back="/recovery",
    ),
)
