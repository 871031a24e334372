"""E-mail addresses: verified at registration, and changed later.

A new address takes effect when the token that was mailed to it is used: both marker rows and the user change in one
transaction.
"""

import json
from urllib.parse import quote
from uuid import UUID

from weconnect import mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.errors import EmailTaken, InvalidOneTimeToken, OperatorAddress
from weconnect.auth.login import one_time_tokens
from weconnect.auth.login.password_changes import NO_ACCOUNT_TEXT, predates_password
from weconnect.auth.schemas import EmailVerification, MailRequest
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity import mail_limits, sessions
from weconnect.identity.entities import StoredUser, User
from weconnect.identity.errors import TooManyAttempts
from weconnect.identity.rows import NO_USER_ID, TokenRow, UserRow
from weconnect.identity.verified_addresses import is_unproved_account_of_provider
from weconnect.organizations import creation
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow
from weconnect.settings import settings

TOKEN_SECONDS = 24 * 3_600
PURPOSE = "verify_email"
CHANGE_PURPOSE = "change_email"
NOT_REGISTERED = (
    "If you did not register, do not confirm: somebody else knows the account's password. Ignore this mail, or request "
    "a new password, which takes the account over and drops what they set up."
)


NOT_REQUESTED = (
    "If you did not ask for this, do not confirm: somebody else would have an account with your address. "
    "Ignore this mail."
)


def send_verification(user: StoredUser, token: str) -> None:
    """Mail the token that verifies the address of a new user."""
    _send_token(user.email, user.first_name, token, NOT_REGISTERED)


def resend_verification(body: MailRequest, request: RequestInfo) -> None:
    """Mail a new token, or, where nothing is to be verified, a mail that says why. Raises TooManyAttempts."""
    if not mail_limits.count_requested_mail(body.email, request.ip):
        return
    row = users.find_by_email(body.email)
    is_waiting = row is not None and row.is_active and not row.email_verified
    user_id = row.id if row and is_waiting else NO_USER_ID
    token, token_row = one_time_tokens.build_token(PURPOSE, user_id, body.email, TOKEN_SECONDS)
    table.create(token_row, request.actor(user_id))
    if row and is_waiting:
        _send_token(row.email, row.first_name, token, NOT_REGISTERED)
    else:
        text = "Hello,\n\nyour address is confirmed already: just sign in.\n" if row else NO_ACCOUNT_TEXT
        mail.send(body.email, "Confirm your address", text)


def begin_email_change(caller: Caller, row: UserRow, email: str) -> None:
    """Mail a token to a new address; in a deployment without a mail sender the address changes at once.

    Raises TooManyAttempts, or EmailTaken when the address changes at once.
    """
    if not settings.mail_from:
        _forbid_return(row)
        with table.transaction(caller.actor()) as writes:
            _change_address(writes, row, email)
        return
    if not mail_limits.count_requested_mail(email, caller.request.ip):
        raise TooManyAttempts("This address got too many mails. Try again in an hour.")
    token, token_row = one_time_tokens.build_token(CHANGE_PURPOSE, row.id, email, TOKEN_SECONDS)
    token_row.old_email = row.email
    table.create(token_row, caller.actor())
    intro = (
        f"the WeConnect account {row.email} asks to use this address from now on. If that account is yours, confirm "
        "within 24 hours."
    )
    _send_token(email, row.first_name, token, NOT_REQUESTED, intro)


def verify_email(body: EmailVerification, request: RequestInfo) -> User:
    """Use up a token: mark its address as verified, make a new address the user's, and return the user.

    An account that an identity provider created is taken over (`account/takeover`). An operator's address is proved by
    a new password only, because a stranger may know the one of the registration. Raises InvalidOneTimeToken,
    OperatorAddress, or EmailTaken for a new address that another account got in the meantime.
    """
    token_row = one_time_tokens.load_token(body.token, PURPOSE, CHANGE_PURPOSE)
    row, email = table.get(UserRow, UserRow.at(token_row.user_id)), token_row.email
    if row is None or email is None or row.email != (token_row.old_email or email):
        raise InvalidOneTimeToken()
    old_email, is_change = row.email, token_row.purpose == CHANGE_PURPOSE
    if is_change and predates_password(token_row.created_at, row):
        raise InvalidOneTimeToken()  # whoever requested the change may have known only the old password
    if is_unproved_account_of_provider(row):
        return _take_over(token_row, row, request)
    if users.is_operator_address(email) and not is_change:
        raise OperatorAddress(
            "This address operates the deployment, and whoever registered with it may know the account's password. "
            "Request a new one by POST /v1/auth/forgot-password: that proves the address."
        )
    if is_change:
        _forbid_return(row)
    with table.transaction(request.actor(row.id)) as writes:
        writes.delete(token_row, if_refused=InvalidOneTimeToken())
        if is_change:
            _change_address(writes, row, email)
        else:
            writes.change(row, users.build_verified_values(row, row.email))
    if is_change:
        _notify_address_changed(old_email, row.first_name, email)
    return users.get(row.id)


def _take_over(token_row: TokenRow, row: UserRow, request: RequestInfo) -> User:
    """Verify the address of an account that an identity provider created, and end what its holder never agreed to."""
    from weconnect.auth.account import takeover  # cold start

    refuge = creation.draft_personal_organization(row)

    def end_access() -> None:
        """End the sessions, memberships and links."""
        sessions.end_sessions(row.id)
        takeover.drop_access(row.id, row.email, request, made_by_provider=True)

    end_access()
    with table.transaction(request.actor(row.id)) as writes:
        writes.delete(token_row, if_refused=InvalidOneTimeToken())
        writes.change(row, users.build_verified_values(row, row.email) | refuge.add_as_refuge(writes))
    end_access()
    return users.get(row.id)


def _forbid_return(row: UserRow) -> None:
    """Mark the present address in the user's organizations: no identity provider adds it there again."""
    for member in MemberRow.gsi1.query(MemberRow.of_user(row.id)):
        with table.transaction({"userId": row.id, "organizationId": member.organization_id}) as writes:
            membership.forbid_return(writes, UUID(member.organization_id), UUID(row.id), row.email)


def _change_address(writes: Transaction, row: UserRow, email: str) -> None:
    """Give a user another address; the transaction raises EmailTaken when another account has it.

    It makes nobody an operator: the click proves who reads the mail, and the account may be somebody else's.
    """
    writes.delete(users.build_email_row(row.email, row.id))
    writes.create(users.build_email_row(email, row.id), EmailTaken())
    writes.change(row, {"email": email, "email_verified": True})


def _send_token(
    to: str,
    first_name: str,
    token: str,
    end: str,
    intro: str = "please confirm your address for WeConnect within 24 hours.",
) -> None:
    """Mail a token, with a link if there is a front end, and a command if the deployment knows its own address."""
    lines = [
        f"Hello {mail.to_safe_name(first_name)},",
        "",
        intro,
    ]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/verify-email?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.find_base_url():
        lines += ["", "Or paste this into a terminal:", "", _build_curl_command(url, token)]
    mail.send(to, "Confirm your address", "\n".join([*lines, "", end, ""]))


def _notify_address_changed(old_email: str, first_name: str, new_email: str) -> None:
    """Mail the old address of a user that the account has a new one."""
    lines = [
        f"Hello {mail.to_safe_name(first_name)},",
        "",
        f"the address of your WeConnect account is now {new_email}.",
        "If this was not you, contact the operator of this deployment.",
        "",
    ]
    mail.send(old_email, "Your address was changed", "\n".join(lines))


def _build_curl_command(url: str, token: str) -> str:
    """Return the command for a terminal that verifies an address with `token`."""
    body = json.dumps({"token": token})
    return f"curl -X POST {url}/v1/auth/verify-email -H 'content-type: application/json' -d '{body}'"
