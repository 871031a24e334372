"""Registration: a new user with a personal organization, signed in at once.

Where the deployment sends mail, nobody learns from the response whether an address has an account: for one that has,
the response is that of a new account, its tokens are void, and its holder gets a mail. Where no mail is sent, nobody
would tell the holder, so the response says so.
"""

from typing import TYPE_CHECKING

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.errors import EmailTaken
from weconnect.auth.login import email_verification, one_time_tokens, throttling
from weconnect.auth.registration_counts import count_registration
from weconnect.auth.schemas import NewUser, Registration
from weconnect.auth.sessions import sessions
from weconnect.auth.sessions.tokens import void_signature
from weconnect.db import table
from weconnect.identity import mail_limits, passwords
from weconnect.identity.attempt_counters import network_of_ip
from weconnect.identity.entities import StoredUser
from weconnect.log import logger
from weconnect.organizations import creation
from weconnect.organizations.members.active_membership import ActiveMembership
from weconnect.settings import settings

if TYPE_CHECKING:
    from weconnect.organizations.invitations.acceptance import InvitedRegistration


HAS_ACCOUNT_TEXT = """Hello,

someone registered with WeConnect with this address, but it has an account already. Nothing has changed.
If it was you, sign in, or request a new password.
"""


def register(body: NewUser, request: RequestInfo) -> Registration:
    """Create a user with a personal organization and sign them in; mail a token that verifies their address.

    An address that got too many mails gets none, and the response is the same: it can be requested later.

    An invitation makes them a member of its organization as well, and verifies the address that it was mailed to.
    Raises EmailTaken (with an invitation, or where no mail is sent), WeakPassword, TooManyRegistrations, or the errors
    of the invitation.
    """
    count_registration(request.ip)
    passwords.refuse_weak(body.password, body.email)
    invitation = _load_invitation(body)
    user = _draft_user(body, email_verified=invitation is not None or not settings.mail_from)
    draft = creation.draft_organization(
        user.id, body.organization_name or f"{body.first_name}'s organization"
    )
    user.current_organization_id = draft.organization.id
    session = sessions.build_session_row(user.id, draft.organization.id, request)
    token, token_row = one_time_tokens.build_token(
        email_verification.PURPOSE, user.id, user.email, email_verification.TOKEN_SECONDS
    )
    caller = Caller(user.id, draft.organization.id, draft.member.role, frozenset(), request=request)
    tokens = sessions.issue_tokens(session, ActiveMembership(user, draft.member, draft.organization))
    row = users.build_user_row(user, request, signup_source="register", login_count=1)
    try:
        with table.transaction(caller.actor()) as writes:
            writes.create(users.build_email_row(user.email, user.id), EmailTaken())
            writes.create(row)
            more_owned = invitation.owned_ids if invitation else set()
            draft.add_to(writes, settings.organizations_per_user, more_owned=more_owned)
            writes.create(session)
            if invitation:
                invitation.join(writes, user.id)
            if not user.email_verified:
                writes.create(token_row)
    except EmailTaken:
        if user.email_verified:
            raise
        if mail_limits.count_mail_to(user.email, request.ip):
            mail.send(user.email, "You have an account already", HAS_ACCOUNT_TEXT)
        tokens.access_token = void_signature(tokens.access_token)
        tokens.refresh_token = void_signature(tokens.refresh_token)
        return Registration(
            **tokens.model_dump(), user=row.to_entity().public(), organization=draft.organization
        )
    throttling.know_network(user.email, network_of_ip(request.ip))
    if not user.email_verified:
        if mail_limits.count_mail_to(
            user.email, request.ip
        ):  # who registers and deletes an account again mails no one
            email_verification.send_verification(user, token)
    elif not settings.mail_from:
        logger.warning("no mail sender is configured, the address counts as verified", user_id=str(user.id))
    return Registration(**tokens.model_dump(), user=row.to_entity().public(), organization=draft.organization)


def _load_invitation(body: NewUser) -> "InvitedRegistration | None":
    """Return the checked invitation of a registration; None without a token."""
    if body.invitation_token is None:
        return None
    from weconnect.organizations.invitations.acceptance import InvitedRegistration  # cold start

    return InvitedRegistration(body.invitation_token, body.email)


def _draft_user(body: NewUser, *, email_verified: bool) -> StoredUser:
    """Return the new user of a registration; nothing is stored yet."""
    moment = clock.now()
    return StoredUser(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        email=body.email,
        password=passwords.hash_password(body.password),
        first_name=body.first_name,
        last_name=body.last_name,
        email_verified=email_verified,
        password_changed_at=moment,
        last_login_at=moment,
    )
