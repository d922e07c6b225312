"""The verbs on rates, and the pauses of providers and corridors."""

from gateway.console.fields import Field
from gateway.console.verbs.model import NOTE, REASON, Verb

_PAUSED = (
    Field(
        "under_way",
        "Payments under way",
        "choice",
        "FINISH: they go on. WAIT: an attempt that was never sent waits for the end of the pause.",
        options=("FINISH", "WAIT"),
    ),
    Field("ends_at", "Ends", "instant", "In UTC. With WAIT it is required."),
    REASON,
)
PROVIDER = Field("provider", "Provider", is_required=True)
CORRIDOR = Field("corridor_id", "Corridor", is_required=True)

PAUSE_VERBS = (
    Verb(
        "pause-provider",
        "Pause a provider",
        "It is left out of the routes of new quotes and payments, within a second.",
        _PAUSED,
        call="PauseProvider",
        preview="pause_provider",
        subject=(PROVIDER,),
        back="/pauses",
    ),
    Verb(
        "pause-corridor",
        "Pause a corridor",
        "It is quoted and created no more, within a second.",
        _PAUSED,
        call="PauseCorridor",
        preview="pause_corridor",
        subject=(CORRIDOR,),
        back="/pauses",
    ),
    Verb(
        "resume-provider",
        "Resume",
        "All its pauses end. Payments that wait go on within half a minute.",
        (REASON,),
        call="ResumeProvider",
        proposal="resume_provider",
        preview="resume_provider",
        reason_field="reason",
        subject=(PROVIDER,),
        back="/pauses",
        only_when={"in_force": (True,), "kind": ("PROVIDER",)},
    ),
    Verb(
        "resume-corridor",
        "Resume",
        "All its pauses end. Payments that wait go on within half a minute.",
        (REASON,),
        call="ResumeCorridor",
        proposal="resume_corridor",
        preview="resume_corridor",
        reason_field="reason",
        subject=(CORRIDOR,),
        back="/pauses",
        only_when={"in_force": (True,), "kind": ("CORRIDOR",)},
    ),
)
RATE_VERBS = (
    Verb(
        "override-rate",
        "Override a rate",
        "From its approval, or from its beginning, quotes of the corridor are priced by it.",
        (
            Field("corridor_id", "Corridor", hint="For example us-ng.", is_required=True),
            Field("rate", "Mid rate", "decimal", "In the place of the market's, or give a markup."),
            Field(
                "markup_basis_points",
                "Markup",
                "number",
                "In basis points, in the place of all of ours, or give a mid rate.",
            ),
            Field("starts_at", "Begins", "instant", "In UTC. Empty: with its approval."),
            Field("ends_at", "Ends", "instant", "In UTC.", is_required=True),
        ),
        proposal="rate_override",
        back="/proposals/{proposal_id}",
    ),
    Verb(
        "end-override",
        "End",
        "Within a second the corridor is priced by the market again.",
        (NOTE,),
        call="EndRateOverride",
        subject=(Field("override_id", "Override", is_required=True),),
        back="/rates",
        only_when={"ended_at": (None,)},
    ),
)
