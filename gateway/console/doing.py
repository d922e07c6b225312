"""A verb on its way: its form, the page that says what will be done, and the call. Nothing changes
before the last. Where two people are needed the same page proposes it."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from gateway.console.client import Record, may
from gateway.console.fields import REQUIRED, Filled, nested, read, texts
from gateway.console.pages import Pages, Visit, to
from gateway.console.refusals import Refused, of_payments
from gateway.console.tables import filled, with_query
from gateway.console.verbs import VERBS
from gateway.console.verbs.model import Verb, applies
from services.shared import errors

APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
# These leave the form as it is: it is proposed instead, or sent again.
_AS_BEFORE = (APPROVAL_REQUIRED, "PAYMENT_BUSY")
# These leave nothing of the form to repair.
_OVER = (errors.NotAuthenticated, errors.Forbidden, errors.NotFound)


class Doing:
    """The pages of all verbs."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """The form; of a verb without fields the confirmation at once."""
        verb = await self._fitted(visit, visit.request.query_params)
        sent = {**self._now(verb), **texts(verb.all_fields, visit.request.query_params)}
        knows_all = not verb.fields and not read(verb.all_fields, sent).wrong
        return await self._page(visit, verb, sent, is_last=knows_all)

    async def send(self, visit: Visit) -> Response:
        """The confirmation of a form that was sent, or the call that was confirmed."""
        sent = await self._pages.form(visit)
        verb = await self._fitted(visit, sent)
        form = read(verb.all_fields, sent)
        if form.wrong:
            return await self._page(visit, verb, sent, form=form, status=HTTPStatus.BAD_REQUEST)
        way = sent.get("as", "")
        if way == "propose" and not _reason_of(verb, sent):
            form.wrong["proposal_reason"] = REQUIRED
        try:
            if way not in _ways(verb) or form.wrong:
                preview = await self._preview(visit, verb, form)
                status = HTTPStatus.BAD_REQUEST if form.wrong else HTTPStatus.OK
                return await self._page(
                    visit, verb, sent, form=form, is_last=True, preview=preview, status=status
                )
            return await self._do(visit, verb, sent, form, way)
        except _OVER:
            raise
        except errors.DomainError as error:
            refused = of_payments(error)
            return await self._page(
                visit,
                verb,
                sent,
                form=form,
                is_last=refused.reason in _AS_BEFORE,
                refused=refused,
                status=refused.status,
            )

    async def _do(
        self, visit: Visit, verb: Verb, sent: Mapping[str, str], form: Filled, way: str
    ) -> Response:
        request = {**nested(form.values), **(verb.fixed or {})}
        request |= {name: sent.get(name, "") for name in verb.shown_fields}
        if way == "propose":
            request.pop(verb.reason_field, None)
            proposed = {verb.proposal: request, "reason": _reason_of(verb, sent)}
            answer = await self._pages.payments.call(visit.acting, "CreateProposal", proposed)
            return to(with_query(filled("/proposals/{proposal_id}", answer), {"done": "propose"}))
        key = sent.get("idempotency_key", "") if verb.is_keyed else ""
        answer = await self._pages.payments.call(visit.acting, verb.call, request, key)
        if answer.get("api_key"):
            # No address and no log has it, and no later page shows it.
            return self._pages.render(
                visit, "made.html", verb=verb, made=answer, back=_back(verb, request)
            )
        return to(_after(verb, sent, {**answer, **request}, answer))

    def _now(self, verb: Verb) -> dict[str, str]:
        """The instants that begin with the time of the form."""
        now = f"{self._pages.now():%Y-%m-%dT%H:%M:%S}"
        return {one.name: now for one in verb.fields if one.begins_now}

    async def _page(
        self,
        visit: Visit,
        verb: Verb,
        sent: Mapping[str, str],
        *,
        form: Filled | None = None,
        is_last: bool = False,
        refused: Refused | None = None,
        preview: Record | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        form = form or Filled()
        shown = await self._shown(visit, verb, sent)
        is_forbidden = shown is not None and not applies(verb, shown)
        return self._pages.render(
            visit,
            "do.html",
            status,
            verb=verb,
            shown=shown,
            sent=texts(verb.all_fields, sent),
            form=form,
            is_last=is_last,
            is_forbidden=is_forbidden,
            ways=_ways_now(verb, refused, preview),
            preview=preview,
            refused=refused,
            was_asked=sent.get("as", "") in _ways(verb),
            idempotency_key=sent.get("idempotency_key") or secrets.token_urlsafe(24),
            back=_back(verb, {**(shown or {}), **sent}),
        )

    async def _preview(self, visit: Visit, verb: Verb, form: Filled) -> Record | None:
        """The effect that the verb would have now; None of a verb that has no preview, or where the
        operator may do it and see none."""
        if not verb.preview or not may(visit.operator, "PreviewVerb"):
            return None
        request = {verb.preview: nested(form.values)}
        return await self._pages.payments.call(visit.acting, "PreviewVerb", request)

    async def _fitted(self, visit: Visit, sent: Mapping[str, str]) -> Verb:
        """The verb with the fields that its subject takes now."""
        verb = _verb(visit)
        return verb.fitted(await self._shown(visit, verb, sent)) if verb.fit else verb

    async def _shown(self, visit: Visit, verb: Verb, sent: Mapping[str, str]) -> Record | None:
        subject = {one.name: sent.get(one.name, "") for one in verb.subject}
        if not verb.shows or not all(subject.values()):
            return None
        return await self._pages.payments.call(visit.acting, verb.shows, subject)


def _reason_of(verb: Verb, sent: Mapping[str, str]) -> str:
    """The reason of a proposal: as the form has it, or as the confirmation has asked for it."""
    texts_of = (sent.get(name, "").strip() for name in (verb.reason_field, "proposal_reason"))
    return next(filter(None, texts_of), "")


def _ways(verb: Verb) -> list[str]:
    return [way for way, exists in (("do", verb.call), ("propose", verb.proposal)) if exists]


def _ways_now(verb: Verb, refused: Refused | None, preview: Record | None) -> list[str]:
    """The ways that are open now: none where the verb would be refused, and not alone where two
    people are needed."""
    if preview and preview["refusal"]:
        return []
    needs_two = (refused and refused.reason == APPROVAL_REQUIRED) or (
        preview and preview["needs_second_person"]
    )
    return [way for way in _ways(verb) if way == "propose" or not needs_two]


def _verb(visit: Visit) -> Verb:
    verb = VERBS.get(visit.request.path_params["name"])
    if verb is None:
        raise Refused(404, "PAGE_NOT_FOUND", "There is no such verb.")
    return verb


def _after(verb: Verb, sent: Mapping[str, str], record: Record, answer: Record) -> str:
    """The page that follows: the form again, where it goes on."""
    stated: dict[str, Any] = {"done": verb.name}
    for name, counted in (("count", verb.counts), ("refused", verb.refused)):
        if counted:
            found = answer[counted]
            stated[name] = str(found if isinstance(found, int) else len(found))
    more = answer[verb.more] if verb.more else None
    if not more:
        return with_query(_back(verb, record), stated)
    kept = texts([one for one in verb.all_fields if one.name != "note"], sent)
    token = {"page_token": more} if isinstance(more, str) else {}
    return with_query(f"/do/{verb.name}", {**kept, **token, **stated})


def _back(verb: Verb, record: Mapping[str, Any]) -> str:
    try:
        return filled(verb.back, dict(record))
    except KeyError:
        # The form does not name its subject yet.
        return "/"
