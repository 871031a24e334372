"""The limit on new accounts from one network, by a registration or through an identity provider."""

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action

from weconnect import clock
from weconnect.auth.errors import TooManyRegistrations
from weconnect.auth.rows import RegistrationsRow
from weconnect.identity.attempt_counters import network_of_ip
from weconnect.identity.errors import retry_after
from weconnect.settings import settings


def count_registration(ip: str) -> None:
    """Count a registration from this network; raise TooManyRegistrations above the limit per minute."""
    moment = clock.now()
    limit = settings.registrations_per_minute
    pk, sk = RegistrationsRow.at(network_of_ip(ip), moment.strftime("%Y-%m-%dT%H:%M"))
    total = RegistrationsRow.total
    actions: list[Action] = [
        total.add(1),
        RegistrationsRow.ttl.set(clock.epoch_seconds() + 120),
        RegistrationsRow.kind.set(RegistrationsRow),
    ]
    try:
        RegistrationsRow(pk=pk, sk=sk).update(actions, condition=total.does_not_exist() | (total < limit))
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        raise TooManyRegistrations(
            f"Only {limit} registrations a minute are possible from one network. Try again shortly.",
            headers=retry_after(60 - moment.second),
        ) from error
