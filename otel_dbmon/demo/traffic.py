"""Visits the shop the way people do, from several threads, until it is told to stop; counts the visits."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

#: What nobody outside the shop may ever see, each with where it is typed. Parts that no encoding changes.
CANARIES = {
    "hedwig.zq81kx": "the e-mail of somebody who signs up twice",
    "rufus.vw47tp": "the e-mail that is pasted into a statement",
    "Atlantis": "a constant in that statement",
    "marzipan-j52": "the text of a review",
    "example.com": "the e-mail of every customer",
}
_TWICE, _SOUGHT = "hedwig.zq81kx@example.com", "rufus.vw47tp@example.com"
_OPINION = "It tastes of marzipan-j52."

_VISITORS = 4
_CUSTOMERS, _PRODUCTS = 400, 120
_PAUSE_S = (0.02, 0.10)
_INCIDENT_EVERY_S = 3.0
_STOCK_TAKE_S = 1.2


class Shop:
    """The shop's pages, as a browser sees them.

    Args:
        port: Where the shop listens on the loopback address.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> tuple[int, Any]:
        """The status and the decoded body of a page."""
        return self._ask("GET", path, None)

    def post(self, path: str, form: dict[str, Any]) -> tuple[int, Any]:
        """The status and the decoded body of the answer to a form."""
        return self._ask("POST", path, json.dumps(form))

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(raw) if is_json else None


@dataclass
class Tally:
    """What the visitors met, counted by all threads.

    Attributes:
        visits: How many visits of each kind were answered.
        refused: Answers with a status of 500 and above, of each kind.
        unanswered: Visits without an answer; any at all means that the shop is in trouble.
        pasted: The statement with pasted values, as the shop showed it last.
    """

    visits: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    pasted: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str, status: int) -> None:
        """Count one answer."""
        with self._lock:
            self.visits[kind] += 1
            self.refused[kind] += status >= 500

    def count_unanswered(self) -> None:
        """Count a visit that got no answer."""
        with self._lock:
            self.unanswered += 1

    def totals(self) -> tuple[int, int]:
        """How many visits were answered so far, and how many of them with a status of 500 and above."""
        with self._lock:
            return self.visits.total(), self.refused.total()


Visit = Callable[[Shop, random.Random, Tally], int]


def _look_up(shop: Shop, dice: random.Random, _tally: Tally) -> int:
    return shop.get(f"/products/{dice.randint(1, _PRODUCTS)}")[0]


def _read_reviews(shop: Shop, dice: random.Random, _tally: Tally) -> int:
    return shop.get(f"/products/{dice.randint(1, _PRODUCTS)}/reviews")[0]


def _look_back(shop: Shop, dice: random.Random, _tally: Tally) -> int:
    return shop.get(f"/customers/{dice.randint(1, _CUSTOMERS)}/reviews")[0]


def _write_review(shop: Shop, dice: random.Random, _tally: Tally) -> int:
    review = {"customer_id": dice.randint(1, _CUSTOMERS), "stars": dice.randint(1, 5), "text": _OPINION}
    return shop.post(f"/products/{dice.randint(1, _PRODUCTS)}/reviews", review)[0]


def _buy(shop: Shop, dice: random.Random, _tally: Tally) -> int:
    order = {"customer_id": dice.randint(1, _CUSTOMERS), "product_id": dice.randint(1, _PRODUCTS), "quantity": 1}
    return shop.post("/orders", order)[0]


def _search(shop: Shop, _dice: random.Random, tally: Tally) -> int:
    status, page = shop.get(f"/customers/search?email={quote(_SOUGHT)}")
    if status == http.client.OK:
        tally.pasted = page["statement"]
    return status


def _page(path: str) -> Visit:
    return lambda shop, _dice, _tally: shop.get(path)[0]


#: Each kind of visit, and how often it comes up.
_VISITS: dict[str, tuple[Visit, int]] = {
    "point look-up": (_look_up, 40),
    "join": (_read_reviews, 20),
    "without an index": (_look_back, 5),
    "aggregate report": (_page("/reports/stars"), 5),
    "sales report": (_page("/reports/sales"), 3),
    "ranking report": (_page("/reports/best-customers"), 3),
    "row by row": (_page("/orders"), 6),
    "eager twin": (_page("/orders/eager"), 6),
    "pasted literals": (_search, 9),
    "write": (_write_review, 6),
    "purchase": (_buy, 6),
}


#: Kinds of visit that send one statement of a kind that no other visit sends, and its summary.
TELLTALES = {"join": "SELECT reviews customers", "pasted literals": "SELECT SELECT orders customers"}


def _sign_up(shop: Shop, _dice: random.Random, _tally: Tally) -> int:
    return shop.post("/customers", {"name": "Hedwig Haas", "email": _TWICE, "city": "Oslo"})[0]


def _stock_take(shop: Shop, _dice: random.Random, _tally: Tally) -> int:
    return shop.post("/stock-take", {"seconds": _STOCK_TAKE_S})[0]


@contextmanager
def traffic(shop: Shop) -> Iterator[Tally]:
    """Visitors come while the context is entered; when it is left, all of them have gone."""
    tally, closing = Tally(), threading.Event()
    threads = [
        threading.Thread(target=_visit, args=(shop, tally, closing, seed), name=f"visitor-{seed}", daemon=True)
        for seed in range(_VISITORS)
    ]
    threads.append(threading.Thread(target=_trouble, args=(shop, tally, closing), name="trouble", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        closing.set()
        for thread in threads:
            thread.join()


def _visit(shop: Shop, tally: Tally, closing: threading.Event, seed: int) -> None:
    """One visitor after the other, each time a kind of visit by the dice."""
    dice = random.Random(seed)
    kinds, weights = list(_VISITS), [weight for _, weight in _VISITS.values()]
    while not closing.wait(dice.uniform(*_PAUSE_S)):
        (kind,) = dice.choices(kinds, weights)
        _make(_VISITS[kind][0], kind, shop, dice, tally)


def _trouble(shop: Shop, tally: Tally, closing: threading.Event) -> None:
    """Now and then: a sign-up that violates a constraint, and a stock-take that makes writers wait too long."""
    dice = random.Random(0)
    _make(_sign_up, "sign-up", shop, dice, tally)
    while not closing.wait(_INCIDENT_EVERY_S):
        _make(_sign_up, "second sign-up", shop, dice, tally)
        _make(_stock_take, "stock-take", shop, dice, tally)


def _make(visit: Visit, kind: str, shop: Shop, dice: random.Random, tally: Tally) -> None:
    try:
        tally.count(kind, visit(shop, dice, tally))
    except (OSError, http.client.HTTPException):
        tally.count_unanswered()
