"""Registering, signing in and out."""

import ipaddress
from uuid import UUID

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action

from weconnect import clock, ids, table
from weconnect.auth import passwords, sessions, verification
from weconnect.auth.entities import Login, Logout, NewUser, PublicUser, Refresh, Registration, Tokens, User
from weconnect.auth.entities import normal_email as normal
from weconnect.auth.rows import EmailRow, RegistrationsRow, UserRow
from weconnect.auth.sessions import Standing
from weconnect.caller import Caller, RequestInfo
from weconnect.errors import Conflict, Forbidden, LimitReached, Unauthenticated
from weconnect.log import logger
from weconnect.organizations import founding
from weconnect.organizations.rows import MemberRow
from weconnect.settings import settings

NOBODY = UUID(int=0)


def register(body: NewUser, request: RequestInfo) -> Registration:
    """Make a user with a personal organization and sign in; Conflict `email_taken` for a known address."""
    _take_registration(request.ip)
    passwords.check(body.password, body.email)
    moment = clock.now()
    user = User(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        email=body.email,
        password=passwords.hashed(body.password),
        first_name=body.first_name,
        last_name=body.last_name,
        email_verified=not settings.mail_from,
        password_changed_at=moment,
        last_login_at=moment,
    )
    founded = founding.found(user.id, body.organization_name or f"{body.first_name}'s organization")
    user.current_organization_id = founded.organization.id
    session = sessions.new_row(user.id, founded.organization.id, request)
    token, token_row = verification.new_token(user)
    actor = Caller(
        user.id, founded.organization.id, founded.member.role, frozenset(), request=request
    ).actor()
    with table.transaction(actor) as writes:
        writes.create(_email_row(user), Conflict("This address has an account already", code="email_taken"))
        writes.create(_user_row(user, request))
        founded.write(writes)
        writes.create(session)
        if settings.mail_from:
            writes.create(token_row)
    if settings.mail_from:
        verification.send(user, token)
    else:
        logger.warning("no mail sender is configured, the address counts as verified", user_id=str(user.id))
    who = Standing(user, founded.member, founded.organization)
    issued = sessions.issue(session, who)
    stored = table.need(UserRow, UserRow.at(user.id), "user")
    return Registration(
        **issued.model_dump(), user=stored.to_entity().public(), organization=founded.organization
    )


def login(body: Login, request: RequestInfo) -> Tokens:
    """Sign in; the work is the same for an address that has no user."""
    row = _user_by_email(body.email)
    if not passwords.matches(body.password, row.password if row else None) or row is None:
        raise Unauthenticated("The address or the password is wrong", code="wrong_credentials")
    who = _standing(row, body.organization_id)
    session = sessions.new_row(who.user.id, who.organization.id, request)
    table.create(session, Caller(who.user.id, who.organization.id, who.member.role, frozenset()).actor())
    stamps = {
        "last_login_at": clock.iso(clock.now()),
        "last_ip_address": request.ip,
        "user_agent": request.user_agent,
    }
    table.touch(row, add={"login_count": 1}, put=stamps)
    return sessions.issue(session, who)


def refresh(body: Refresh) -> Tokens:
    """Exchange a refresh token for a new pair."""
    return sessions.refresh(body.refresh_token, body.organization_id)


def logout(caller: Caller, body: Logout | None) -> None:
    """End the caller's session, or all of them."""
    if body and body.everywhere:
        sessions.end_all(caller.user_id)
    else:
        assert caller.session_id
        sessions.end(caller.user_id, caller.session_id)


def me(caller: Caller) -> PublicUser:
    """The caller as a user."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    return row.to_entity().public()  # type: ignore[no-any-return]


def _email_row(user: User) -> EmailRow:
    pk, sk = EmailRow.at(user.email)
    return EmailRow(pk=pk, sk=sk, user_id=str(user.id))


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


def _user_by_email(email: str) -> UserRow | None:
    """The user at an address; an address without one costs the same two reads."""
    try:
        address = normal(email)
    except ValueError:
        address = email
    found = table.get(EmailRow, EmailRow.at(address))
    return table.get(UserRow, UserRow.at(found.user_id if found else NOBODY))


def _standing(row: UserRow, organization_id: UUID | None) -> Standing:
    """Where to sign in: the organization that was asked for, else the current one, else any."""
    if organization_id:
        return sessions.standing(row.id, organization_id)
    try:
        return sessions.standing(row.id, row.current_organization_id or NOBODY)
    except Forbidden:
        return sessions.standing(row.id, _first_organization(row.id))


def _first_organization(user_id: str) -> str | UUID:
    """An organization that the user is an active member of, for one whose current organization is gone."""
    for row in MemberRow.gsi1.query(MemberRow.of_user(user_id)):
        member = row.to_entity()
        if member.is_active and not member.is_pending:
            return member.organization_id  # type: ignore[no-any-return]
    return NOBODY


def _take_registration(ip: str) -> None:
    """Count a registration of this network address; raises LimitReached above the number a minute."""
    moment = clock.now()
    limit = settings.registrations_per_minute
    pk, sk = RegistrationsRow.at(_network(ip), moment.strftime("%Y-%m-%dT%H:%M"))
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


def _network(ip: str) -> str:
    """The address, or the /64 of an IPv6 one: a household has that many."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else ip
