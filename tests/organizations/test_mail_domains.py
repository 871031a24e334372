"""Mail domains: claimed, proved by a TXT record at a DNS server on loopback, taken over and given up."""

from collections.abc import Iterator
from typing import Any

import pytest
from dns import rcode

from tests.factories import RegisteredUser, client_with_tokens, register
from tests.gateway import ApiResponse
from tests.organizations.dns_server import DnsServer, run_dns_server
from tests.organizations.organization_helpers import (
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from weconnect.db import table
from weconnect.organizations.domains import dns_lookup
from weconnect.organizations.domains.mail_domains import find_owner
from weconnect.organizations.rows import DomainOwnerRow
from weconnect.settings import settings

NAME = "_weconnect.corp.example"


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """Run a DNS server, and let the deployment ask it."""
    with run_dns_server() as server:
        monkeypatch.setitem(settings.__dict__, "dns_resolvers", frozenset({server.address}))
        yield server


def domain_path(person: RegisteredUser, domain: str = "corp.example") -> str:
    return organization_path(person, f"/domains/{domain}")


def claim(person: RegisteredUser, domain: str = "corp.example") -> Any:
    response = person.client.put(domain_path(person, domain))
    assert response.status == 200, response.text
    return response.json


def verify(person: RegisteredUser, domain: str = "corp.example") -> ApiResponse:
    return person.client.post(domain_path(person, domain) + "/verify")


def prove(person: RegisteredUser, dns: DnsServer) -> None:
    dns.texts[NAME] = [f'"{claim(person)["recordValue"]}"']
    assert verify(person).status == 200


def test_a_domain_is_proved_by_the_record_that_its_claim_names(aws: None, dns: DnsServer) -> None:
    owner = register_verified()
    claimed = claim(owner)
    assert (claimed["status"], claimed["recordType"], claimed["recordName"]) == ("pending", "TXT", NAME)
    assert claim(owner) == claimed, "a repeated claim keeps its record"
    assert claim(register_verified())["recordValue"] != claimed["recordValue"]
    dns.texts[NAME] = ['"v=spf1 -all"', f'"{claimed["recordValue"]}"']
    proved = verify(owner)
    assert proved.status == 200, proved.text
    assert proved.json["status"] == "verified" and proved.json["verifiedAt"]
    assert owner.client.get(organization_path(owner, "/domains")).json["items"] == [proved.json]
    assert claim(owner) == proved.json
    exported = owner.client.post(organization_path(owner, "/export")).json["data"]
    assert [item["domain"] for item in exported["domains"]] == ["corp.example"]


@pytest.mark.parametrize(
    ("set_up", "status", "code"),
    [
        (lambda dns: None, 409, "domain_record_missing"),
        (lambda dns: dns.failures.update({NAME: dns_code("NOERROR")}), 409, "domain_record_missing"),
        (lambda dns: dns.texts.update({NAME: ['"weconnect-domain=another"']}), 409, "domain_record_mismatch"),
        (lambda dns: dns.failures.update({NAME: dns_code("SERVFAIL")}), 502, "dns_failed"),
        (lambda dns: dns.failures.update({NAME: dns_code("REFUSED")}), 502, "dns_failed"),
        (lambda dns: dns.silent.add(NAME), 502, "dns_failed"),
    ],
    ids=["NXDOMAIN", "no TXT", "another value", "SERVFAIL", "REFUSED", "timeout"],
)
def test_each_failure_of_the_look_up_has_its_own_error(
    aws: None, dns: DnsServer, monkeypatch: pytest.MonkeyPatch, set_up: Any, status: int, code: str
) -> None:
    monkeypatch.setattr(dns_lookup, "TRY_SECONDS", 0.2)
    monkeypatch.setattr(dns_lookup, "TOTAL_SECONDS", 0.5)
    owner = register_verified()
    claim(owner)
    set_up(dns)
    refused = verify(owner)
    assert status_and_code(refused) == (status, code), refused.text
    assert NAME in refused.json["detail"] and find_owner("corp.example") is None


def dns_code(name: str) -> rcode.Rcode:
    return rcode.from_text(name)


def test_long_and_many_records_come_over_tcp_and_strings_are_joined(aws: None, dns: DnsServer) -> None:
    owner = register_verified()
    value = claim(owner)["recordValue"]
    dns.texts[NAME] = [f'"{number:03d}{"x" * 240}" "{"y" * 240}"' for number in range(60)]
    dns.texts[NAME].append(f'"{value[:9]}" "{value[9:]}"')
    assert verify(owner).status == 200
    assert dns.transports == ["udp", "tcp"]


def test_an_alias_leads_to_the_record(aws: None, dns: DnsServer) -> None:
    owner = register_verified()
    dns.aliases[NAME] = "proofs.elsewhere.example"
    dns.texts["proofs.elsewhere.example"] = [f'"{claim(owner)["recordValue"]}"']
    assert verify(owner).status == 200


def test_a_domain_has_one_form_in_any_case_and_script(aws: None, dns: DnsServer) -> None:
    owner = register_verified()
    claimed = claim(owner, "BÜCHER.Example")
    assert (claimed["domain"], claimed["recordName"]) == (
        "xn--bcher-kva.example",
        "_weconnect.xn--bcher-kva.example",
    )
    dns.texts[claimed["recordName"]] = [f'"{claimed["recordValue"]}"']
    assert verify(owner, "bücher.example").status == 200
    assert claim(owner, "XN--BCHER-KVA.example")["status"] == "verified"


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        *(
            (name, "invalid")
            for name in ("localhost", "not a domain", "a..b", "-", "x@y.example", "a_b.example")
        ),
        *((name, "invalid") for name in ("example.com.", "x" * 64 + ".example", "a." * 121 + "example")),
        ("gmail.com", "public_mail_domain"),
        ("GMX.de", "public_mail_domain"),
    ],
)
def test_what_is_no_domain_of_an_organization_is_refused(aws: None, domain: str, code: str) -> None:
    owner = register_verified()
    refused = owner.client.put(domain_path(owner, domain))
    assert status_and_code(refused) == (422, code), refused.text


def test_a_second_claimant_cannot_break_the_owner_while_its_record_is_there(
    aws: None, dns: DnsServer
) -> None:
    owner, second = register_verified(), register_verified()
    prove(owner, dns)
    claimed = claim(second)
    assert status_and_code(verify(second)) == (409, "domain_record_mismatch")
    dns.texts[NAME].append(f'"{claimed["recordValue"]}"')
    assert status_and_code(verify(second)) == (409, "domain_taken")
    assert str(find_owner("corp.example")) == owner.organization["id"]


def test_a_proof_stays_without_its_record_until_another_organization_proves_the_domain(
    aws: None, dns: DnsServer
) -> None:
    owner, second = register_verified(), register_verified()
    prove(owner, dns)
    del dns.texts[NAME]
    assert status_and_code(verify(owner)) == (409, "domain_record_missing")
    assert claim(owner)["status"] == "verified"
    prove(second, dns)
    assert str(find_owner("corp.example")) == second.organization["id"]
    assert (claim(owner)["status"], claim(second)["status"]) == ("pending", "verified")
    assert owner.client.delete(domain_path(owner)).status == 204
    assert str(find_owner("corp.example")) == second.organization["id"], "not the former owner's to give up"


def test_two_proofs_at_the_same_time_make_one_owner(
    aws: None, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = register_verified(), register_verified()
    dns.texts[NAME] = [f'"{claim(person)["recordValue"]}"' for person in (first, second)]
    real = table.get

    def prove_first(kind: Any, at: tuple[str, str]) -> Any:
        """Let the first claimant win right after the second one saw that the domain has no owner."""
        row = real(kind, at)
        if kind is DomainOwnerRow:
            monkeypatch.setattr(table, "get", real)
            assert verify(first).status == 200
        return row

    monkeypatch.setattr(table, "get", prove_first)
    assert status_and_code(verify(second)) == (409, "domain_taken")
    assert str(find_owner("corp.example")) == first.organization["id"]


def test_a_domain_is_given_up_by_itself_and_with_its_organization(aws: None, dns: DnsServer) -> None:
    owner = register_verified()
    prove(owner, dns)
    assert owner.client.delete(domain_path(owner), headers={"If-Match": '"9"'}).status == 412
    assert owner.client.delete(domain_path(owner)).status == 204 and find_owner("corp.example") is None
    assert status_and_code(owner.client.delete(domain_path(owner))) == (404, "domain_not_found")
    assert status_and_code(verify(owner)) == (404, "domain_not_found")
    prove(owner, dns)
    assert owner.client.delete(organization_path(owner)).status == 204
    assert find_owner("corp.example") is None


def test_allowed_domains_are_proved_ones(aws: None, dns: DnsServer) -> None:
    owner = register_verified()

    def allow(*domains: str) -> ApiResponse:
        body = {"customSettings": {"security": {"allowedDomains": list(domains)}}}
        return owner.client.patch(organization_path(owner), body)

    prove(owner, dns)
    refused = allow("corp.example", "other.example")
    assert status_and_code(refused) == (422, "domain_not_verified")
    assert [error["pointer"] for error in refused.json["errors"]] == [
        "/customSettings/security/allowedDomains/1"
    ]
    assert allow("Corp.example").status == 200
    assert owner.client.delete(domain_path(owner)).status == 204
    assert allow("corp.example").status == 200, "what the organization allows already stays"


def test_only_managers_with_a_verified_address_claim_and_at_most_twenty(aws: None) -> None:
    owner, unverified = register_verified(), register()
    member = register_member(owner, "member")
    assert status_and_code(member.client.put(domain_path(owner))) == (403, "permission_missing")
    refused = unverified.client.put(domain_path(unverified))
    assert status_and_code(refused) == (403, "email_not_verified")
    assert status_and_code(unverified.client.put(domain_path(owner))) == (404, "organization_not_found")
    for number in range(20):
        claim(owner, f"d{number}.example")
    assert status_and_code(owner.client.put(domain_path(owner))) == (429, "domain_limit_reached")


def test_a_key_of_another_organization_reaches_no_domain(aws: None, dns: DnsServer) -> None:
    owner, stranger = register_verified(), register_verified()
    prove(owner, dns)
    for response in (
        stranger.client.post(domain_path(owner) + "/verify"),
        stranger.client.delete(domain_path(owner)),
    ):
        assert status_and_code(response) == (404, "organization_not_found")
    assert client_with_tokens(owner.tokens).get(organization_path(owner, "/domains")).json["items"]
