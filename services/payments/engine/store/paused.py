"""The pauses for which an attempt waits that was never sent, as SQL: those with WAIT that are in
force, of its provider, or of its payment's corridor. The refunds of a paused corridor go on."""


def pauses_of(attempt: str, payment: str) -> str:
    """FROM and WHERE of the pauses `s`, by the names of the attempt and of its payment."""
    return f"""
        FROM pauses s
       WHERE s.under_way = 'WAIT' AND s.ended_at IS NULL AND s.ends_at > clock_timestamp()
         AND (s.kind = 'PROVIDER' AND s.name = {attempt}.provider
              OR s.kind = 'CORRIDOR' AND s.name = {payment}.corridor_id
                 AND {attempt}.step <> 'refund')
    """
