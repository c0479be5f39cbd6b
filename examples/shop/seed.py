"""Fills an empty shop with the same customers, products, orders and reviews each time."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from models import Base, Customer, Order, OrderItem, Product, Review
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

CUSTOMERS, PRODUCTS, ORDERS, REVIEWS = 400, 120, 1500, 1200
OPENED = datetime(2025, 1, 1, 9)

_FIRST = ("Ada", "Ben", "Chen", "Dana", "Emil", "Fatou", "Grace", "Hugo", "Ines", "Jun")
_LAST = ("Adler", "Brown", "Costa", "Diallo", "Evans", "Fischer", "Garcia", "Haas", "Ito", "Jansen")
_CITIES = ("Berlin", "Dakar", "Lisbon", "Osaka", "Oslo", "Quito")
_CATEGORIES = ("bags", "books", "games", "garden", "kitchen", "music")
_OPINIONS = ("Just right.", "Would buy again.", "Arrived late.", "Smaller than I thought.", "A present; they love it.")


def seed(engine: Engine) -> None:
    """Make the tables, and fill them if nobody has yet."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        if session.scalar(select(Customer.id).limit(1)) is not None:
            return
        dice = random.Random(2025)
        for table, rows in _rows(dice).items():
            session.execute(insert(table), rows)


def _rows(dice: random.Random) -> dict[type[Base], list[dict[str, Any]]]:
    customers = [_customer(number, dice) for number in range(1, CUSTOMERS + 1)]
    products = [_product(number, dice) for number in range(1, PRODUCTS + 1)]
    orders = [
        {"id": number, "customer_id": dice.randint(1, CUSTOMERS), "placed_at": OPENED + timedelta(hours=number)}
        for number in range(1, ORDERS + 1)
    ]
    items = [
        {
            "order_id": order["id"],
            "product_id": product["id"],
            "quantity": dice.randint(1, 4),
            "price_cents": product["price_cents"],
        }
        for order in orders
        for product in dice.sample(products, dice.randint(1, 5))
    ]
    reviews = [
        {
            "product_id": dice.randint(1, PRODUCTS),
            "customer_id": dice.randint(1, CUSTOMERS),
            "stars": dice.randint(1, 5),
            "text": dice.choice(_OPINIONS),
        }
        for _ in range(REVIEWS)
    ]
    return {Customer: customers, Product: products, Order: orders, OrderItem: items, Review: reviews}


def _customer(number: int, dice: random.Random) -> dict[str, Any]:
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    return {
        "id": number,
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "city": dice.choice(_CITIES),
    }


def _product(number: int, dice: random.Random) -> dict[str, Any]:
    category = dice.choice(_CATEGORIES)
    return {
        "id": number,
        "name": f"{category.rstrip('s').capitalize()} no. {number}",
        "category": category,
        "price_cents": dice.randint(199, 19_999),
        "stock": dice.randint(200, 2000),
    }
