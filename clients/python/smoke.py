"""Tries a running server the way a client does: log in, create, link, ask what breaks, walk a list, meet a 412 and a 429.

Takes API, EMAIL and PASSWORD from the environment; leaves nothing behind.
"""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from archzero_client import AuthenticatedClient, Client
from archzero_client.api.authentication import log_in
from archzero_client.api.cards import bulk_cards, create_card, delete_card, get_card, list_cards, patch_card
from archzero_client.api.graph import get_impact
from archzero_client.api.relationships import create_relationship
from archzero_client.models import (
    BulkBody,
    BulkReport,
    CardBody,
    CardPatch,
    CardView,
    DeletionReport,
    Error412,
    Impact,
    LogIn,
    LoginAnswer,
    PageCardItem,
    RelationshipBody,
    RelationshipView,
)
from archzero_client.types import Response

Wanted = TypeVar("Wanted")

# The longest that is waited for a quota.
PATIENCE = 60
waited = 0


def patiently(ask: Callable[[], Response[Any]]) -> Response[Any]:
    """Sends a request; when a rate limit is used up, waits as long as the server says and sends it again."""
    global waited
    while True:
        answer = ask()
        seconds = int(answer.headers.get("Retry-After", "0"))
        if answer.status_code != 429 or not 0 < seconds <= PATIENCE:
            return answer
        waited += 1
        print(f"told to wait {seconds} s")
        time.sleep(seconds)


def expect(wanted: type[Wanted], answer: Response[Any]) -> Wanted:
    """What an answer holds, if it is what was wanted."""
    if not isinstance(answer.parsed, wanted):
        raise RuntimeError(f"{answer.status_code}: {answer.content.decode(errors='replace')}")
    return answer.parsed


def connect() -> AuthenticatedClient:
    address = os.environ["API"]
    body = LogIn(email=os.environ["EMAIL"], password=os.environ["PASSWORD"])
    anonymous = Client(base_url=address)
    login = expect(LoginAnswer, patiently(lambda: log_in.sync_detailed(client=anonymous, body=body)))
    print(f"logged in as {login.user.email} ({', '.join(login.user.roles)})")
    return AuthenticatedClient(base_url=address, token=login.access_token)


def create(client: AuthenticatedClient, run: str, kind: str, name: str, attributes: dict[str, str]) -> CardView:
    body = CardBody.from_dict({"type": kind, "name": f"{run} {name}", "attributes": attributes})
    key = f"{run}/{name}".replace(" ", "-")
    answer = patiently(lambda: create_card.sync_detailed(client=client, body=body, idempotency_key=key))
    card = expect(CardView, answer)
    print(f"created {card.type_} '{card.name}'")
    return card


def walk(client: AuthenticatedClient, kind: str) -> tuple[set[UUID], int]:
    """The ids of all cards of a type, by cursor to the end, and in how many pages they came."""
    found: set[UUID] = set()
    cursor, pages = "", 0
    while True:
        answer = patiently(lambda: list_cards.sync_detailed(client=client, type_=[kind], limit=25, cursor=cursor))
        page = expect(PageCardItem, answer)
        found.update(card.id for card in page.data)
        pages += 1
        if not isinstance(page.pagination.next_cursor, str):
            return found, pages
        cursor = page.pagination.next_cursor


def change(client: AuthenticatedClient, card: UUID, fit: int, if_match: str) -> Response[Any]:
    body = CardPatch(technical_fit=fit)
    return patiently(lambda: patch_card.sync_detailed(card, client=client, body=body, if_match=if_match))


def main() -> None:
    client = connect()
    run = f"Python {time.time_ns()}"
    crm = create(client, run, "Application", "CRM", {"hosting_type": "SaaS"})
    database = create(client, run, "ITComponent", "database", {"category": "Software"})
    cards = [crm.id, database.id]

    body = RelationshipBody(type_="RELIES_ON", source_id=crm.id, target_id=database.id)
    edge = expect(RelationshipView, patiently(lambda: create_relationship.sync_detailed(client=client, body=body)))
    assert edge.source_id == crm.id
    print(f"linked by {edge.type_}")

    impact = expect(Impact, patiently(lambda: get_impact.sync_detailed(database.id, client=client)))
    assert [card.id for card in impact.down] == [crm.id]
    print(f"without the database {len(impact.down)} card is down: '{impact.down[0].name}'")

    found, pages = walk(client, "Application")
    assert crm.id in found and pages > 1
    print(f"walked {len(found)} applications in {pages} pages")

    assert expect(CardView, change(client, crm.id, 3, '"1"')).version == 2
    stale = expect(Error412, change(client, crm.id, 2, '"1"'))
    print(f"refused as stale: {stale.error.code.value}")
    etag = patiently(lambda: get_card.sync_detailed(crm.id, client=client)).headers["ETag"]
    again = expect(CardView, change(client, crm.id, 2, etag))
    assert again.version == 3
    print(f"read it again and changed it: version {again.version}")

    for turn in range(2):
        operations = [{"op": "tag", "id": str(card), "tags": [f"round {turn}"]} for card in cards]
        batch = BulkBody.from_dict({"operations": operations})
        report = expect(BulkReport, patiently(lambda: bulk_cards.sync_detailed(client=client, body=batch)))
        assert report.summary.updated == len(cards)
    assert waited > 0, "the small quota for bulk writes was never met"
    print("a rate limit was met, waited for, and passed")

    for card in reversed(cards):
        expect(DeletionReport, patiently(lambda: delete_card.sync_detailed(card, client=client, if_match="*")))
    print(f"deleted {len(cards)} cards; all is well")


if __name__ == "__main__":
    main()
