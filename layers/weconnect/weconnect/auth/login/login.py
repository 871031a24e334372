"""Registering, signing in and out."""

from typing import TYPE_CHECKING
from uuid import UUID

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action

from weconnect import clock, ids
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.account.users import NOBODY
from weconnect.auth.entities import Login, Logout, NewUser, Refresh, Registration, Tokens, User
from weconnect.auth.login import email_verification, mfa, one_time_tokens, passwords, throttling
from weconnect.auth.rows import RegistrationsRow, UserRow
from weconnect.auth.sessions import sessions, sign_in_methods
from weconnect.auth.sessions.sessions import Standing
from weconnect.db import table
from weconnect.errors import Conflict, Forbidden, LimitReached
from weconnect.log import logger
from weconnect.organizations import creation
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.rows import MemberRow
from weconnect.settings import settings

if TYPE_CHECKING:
    from weconnect.organizations.invitations import answers


def register(body: NewUser, request: RequestInfo) -> Registration:
    """Make a user with a personal organization and sign in; Conflict `email_taken` for a known address."""
    _take_registration(request.ip)
    passwords.check(body.password, body.email)
    invitation = _invitation(body)
    verified = invitation is not None or not settings.mail_from
    moment = clock.now()
    user = User(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        email=body.email,
        password=passwords.hashed(body.password),
        first_name=body.first_name,
        last_name=body.last_name,
        email_verified=verified,
        password_changed_at=moment,
        last_login_at=moment,
    )
    founded = creation.found(user.id, body.organization_name or f"{body.first_name}'s organization")
    user.current_organization_id = founded.organization.id
    session = sessions.new_row(user.id, founded.organization.id, request)
    token, token_row = one_time_tokens.new(
        email_verification.PURPOSE, user.id, user.email, email_verification.TOKEN_SECONDS
    )
    actor = Caller(
        user.id, founded.organization.id, founded.member.role, frozenset(), request=request
    ).actor()
    with table.transaction(actor) as writes:
        writes.create(
            users.email_row(user.email, user.id),
            Conflict("This address has an account already", code="email_taken"),
        )
        writes.create(_user_row(user, request))
        founded.write(writes)
        writes.create(session)
        if invitation:
            invitation.join(writes, user.id)
        if not verified:
            writes.create(token_row)
    if not verified:
        email_verification.send(user, token)
    elif not settings.mail_from:
        logger.warning("no mail sender is configured, the address counts as verified", user_id=str(user.id))
    who = Standing(user, founded.member, founded.organization)
    issued = sessions.issue(session, who)
    stored = table.need(UserRow, UserRow.at(user.id), "user")
    return Registration(
        **issued.model_dump(), user=stored.to_entity().public(), organization=founded.organization
    )


def _invitation(body: NewUser) -> "answers.Newcomer | None":
    """What the newcomer was invited to: its token came from the mail to the address, and so verifies it."""
    if body.invitation_token is None:
        return None
    from weconnect.organizations.invitations import answers  # only who is invited pays for it

    return answers.Newcomer(body.invitation_token, body.email)


def login(body: Login, request: RequestInfo) -> Tokens:
    """Sign in; the work is the same for an address that has no user."""
    attempt = throttling.begin(body.email, request.ip)
    row = users.by_email(attempt.email)
    matching = passwords.matches(body.password, row.password if row else None)
    if row is None or not matching or not attempt.account_open:
        throttling.failed(attempt)
        raise throttling.wrong_credentials()
    if row.mfa_enabled:
        mfa.require_code(row.id, body.mfa_code, attempt)
    throttling.passed(attempt)
    who = _standing(row, body.organization_id)
    session = sessions.new_row(who.user.id, who.organization.id, request, mfa=bool(row.mfa_enabled))
    try:
        sign_in_methods.require(session, who)
    except Forbidden:
        if body.organization_id or not _is_stranded(who):
            raise
        who = _found(row)
        session.organization_id = str(who.organization.id)
    if body.organization_id:
        sessions.require_second_factor(session, who)
    table.create(session, Caller(who.user.id, who.organization.id, who.member.role, frozenset()).actor())
    stamps = {
        "last_login_at": clock.iso(clock.now()),
        "last_ip_address": request.ip,
        "user_agent": request.user_agent,
    }
    unchanged = (UserRow.password == row.password) & (UserRow.is_active == True)  # noqa: E712
    if not table.touch(row, add={"login_count": 1}, put=stamps, condition=unchanged):
        session.delete()  # the password was changed, or the account closed, while we looked
        raise throttling.wrong_credentials()
    return sessions.issue(session, who)


def refresh(body: Refresh) -> Tokens:
    """Exchange a refresh token for a new pair."""
    return sessions.refresh(body.refresh_token, body.organization_id)


def logout(caller: Caller, body: Logout | None) -> None:
    """End the caller's session, or all of them."""
    if body and body.everywhere and caller.sso:
        raise Forbidden(
            "Signed in through an organization's identity provider you end this session only",
            code="sso_session",
        )
    if body and body.everywhere:
        sessions.end_all(caller.user_id)
    else:
        assert caller.session_id
        sessions.end(caller.user_id, caller.session_id)


def _user_row(user: User, request: RequestInfo) -> UserRow:
    pk, sk = UserRow.at(user.id)
    return UserRow.of(
        user,
        pk=pk,
        sk=sk,
        gsi1pk=UserRow.by_current_organization(user.current_organization_id),
        gsi1sk=str(user.id),
        gsi2pk=UserRow.by_role(user.role),
        gsi2sk=UserRow.by_role_order(user.is_active, user.id),
        login_count=1,
        last_ip_address=request.ip,
        user_agent=request.user_agent,
        signup_source="register",
    )


def _standing(row: UserRow, organization_id: UUID | None) -> Standing:
    """Where to sign in: the organization that was asked for, else the current one, else any."""
    if organization_id:
        return sessions.standing(row.id, organization_id)
    try:
        return sessions.standing(row.id, row.current_organization_id or NOBODY)
    except Forbidden:
        return _any_standing(row)


def _any_standing(row: UserRow) -> Standing:
    """Anywhere, for one whose current organization is gone; who is left without any gets a personal one again."""
    for member in MemberRow.gsi1.query(MemberRow.of_user(row.id)):
        try:
            return sessions.standing(row.id, member.organization_id)
        except Forbidden:
            continue
    return _found(row)


def _found(row: UserRow) -> Standing:
    """A personal organization again, as the current one."""
    founded = creation.found(UUID(row.id), f"{row.first_name}'s organization")
    current = str(founded.organization.id)
    with table.transaction({"userId": row.id, "organizationId": current}) as writes:
        founded.write(writes)
        moved = {"current_organization_id": current, "gsi1pk": UserRow.by_current_organization(current)}
        writes.change(row, moved)
    return sessions.standing(row.id, founded.organization.id)


def _is_stranded(who: Standing) -> bool:
    """Whether only an organization's provider leads anywhere: its tenant may have made the account with it."""
    rows = MemberRow.gsi1.query(MemberRow.of_user(who.user.id))
    others = [row for row in rows if row.organization_id != str(who.organization.id) and row.joined_at]
    return who.member.role != OrganizationRole.OWNER and not others


def _take_registration(ip: str) -> None:
    """Count a registration of this network address; raises LimitReached above the number a minute."""
    moment = clock.now()
    limit = settings.registrations_per_minute
    pk, sk = RegistrationsRow.at(throttling.network_of(ip), moment.strftime("%Y-%m-%dT%H:%M"))
    row = RegistrationsRow(pk=pk, sk=sk)
    total = RegistrationsRow.total
    actions: list[Action] = [
        total.add(1),
        RegistrationsRow.ttl.set(clock.epoch() + 120),
        RegistrationsRow.kind.set(RegistrationsRow),
    ]
    try:
        row.update(actions, condition=total.does_not_exist() | (total < limit))
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        raise LimitReached(
            f"{limit} registrations a minute from one address; try again shortly",
            code="too_many_registrations",
            headers={"Retry-After": str(60 - moment.second)},
        ) from error
