"""Look-ups of TXT records, with dnspython: at most five seconds, over UDP, and over TCP for a long answer."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weconnect.organizations.errors import DnsFailed, DomainRecordMissing
from weconnect.settings import settings

if TYPE_CHECKING:
    import dns.resolver

TRY_SECONDS, TOTAL_SECONDS = 2.0, 5.0
DNS_PORT = 53


def read_txt(name: str) -> list[str]:
    """Return the texts of the TXT records at a name (in IDNA), each with its strings joined; CNAMEs are followed.

    Raises DomainRecordMissing when the name has none, DnsFailed when no server could tell.
    """
    import dns.exception  # cold start
    import dns.resolver  # cold start

    try:
        resolver = _build_resolver()
        answer = resolver.resolve(name, "TXT", lifetime=TOTAL_SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        raise DomainRecordMissing(
            f"There is no TXT record at {name}. Set the one that the domain names; a new record takes a while."
        ) from None
    except dns.exception.Timeout:
        raise DnsFailed(f"The DNS servers did not answer for {name} in time. Try again later.") from None
    except dns.exception.DNSException as error:
        raise DnsFailed(
            f"The DNS servers refused to answer for {name} ({type(error).__name__}). Check the domain's zone."
        ) from None
    return [b"".join(record.strings).decode("utf-8", "replace").strip() for record in answer]


def _build_resolver() -> "dns.resolver.Resolver":
    """Return a resolver that asks the servers of the setting `dns_resolvers`, or else those of the system."""
    import dns.resolver  # cold start

    resolver = dns.resolver.Resolver(configure=not settings.dns_resolvers)
    resolver.timeout = TRY_SECONDS
    if settings.dns_resolvers:
        servers = [urlsplit(f"//{text}") for text in sorted(settings.dns_resolvers)]
        resolver.nameservers = [str(server.hostname) for server in servers]
        resolver.nameserver_ports = {str(server.hostname): server.port or DNS_PORT for server in servers}
    return resolver
