"""A small web shop on SQLite: `python app.py`, then http://127.0.0.1:8080/products/1."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from models import Customer, Order, OrderItem, Product, Review, open_database
from seed import seed
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import joinedload, selectinload, sessionmaker

PAGE = 20


def create_app(engine: Engine) -> Flask:
    """Make the web service on an opened and seeded database."""
    app = Flask(__name__)
    sessions = sessionmaker(engine)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    @app.get("/products/<int:product_id>")
    def product(product_id: int) -> ResponseReturnValue:
        with sessions() as session:
            found = session.get(Product, product_id) or abort(404)
            return jsonify(id=found.id, name=found.name, price_cents=found.price_cents, stock=found.stock)

    @app.get("/products/<int:product_id>/reviews")
    def reviews(product_id: int) -> ResponseReturnValue:
        newest = (
            select(Review.stars, Review.text, Customer.name)
            .join(Review.customer)
            .where(Review.product_id == product_id)
            .order_by(Review.id.desc())
            .limit(PAGE)
        )
        with sessions() as session:
            return jsonify(
                [{"stars": stars, "text": said, "by": name} for stars, said, name in session.execute(newest)]
            )

    @app.post("/products/<int:product_id>/reviews")
    def review(product_id: int) -> ResponseReturnValue:
        form = request.get_json()
        with sessions.begin() as session:
            session.add(
                Review(product_id=product_id, customer_id=form["customer_id"], stars=form["stars"], text=form["text"])
            )
        return jsonify(status="thank you"), 201

    @app.get("/customers/<int:customer_id>/reviews")
    def written_by(customer_id: int) -> ResponseReturnValue:
        """Nobody thought of an index for it: all reviews are read to find those of one customer."""
        own = select(Review.stars, Review.text).where(Review.customer_id == customer_id)
        with sessions() as session:
            return jsonify([{"stars": stars, "text": said} for stars, said in session.execute(own)])

    @app.get("/orders")
    def orders() -> ResponseReturnValue:
        """Loads row by row: a statement for the page, one for each buyer, then one for each order and product."""
        with sessions() as session:
            return jsonify(_page(session.scalars(_newest_orders()).all()))

    @app.get("/orders/eager")
    def orders_eager() -> ResponseReturnValue:
        """The same page from two statements."""
        whole = _newest_orders().options(
            joinedload(Order.customer), selectinload(Order.items).joinedload(OrderItem.product)
        )
        with sessions() as session:
            return jsonify(_page(session.scalars(whole).all()))

    @app.post("/orders")
    def place_order() -> ResponseReturnValue:
        form = request.get_json()
        with sessions.begin() as session:
            bought = session.get_one(Product, form["product_id"])
            bought.stock = Product.stock - form["quantity"]
            item = OrderItem(product=bought, quantity=form["quantity"], price_cents=bought.price_cents)
            order = Order(customer_id=form["customer_id"], placed_at=_now(), items=[item])
            session.add(order)
            session.flush()
            return jsonify(id=order.id), 201

    @app.post("/customers")
    def sign_up() -> ResponseReturnValue:
        """Nobody thought of people who sign up twice: the database's error becomes an internal server error."""
        form = request.get_json()
        with sessions.begin() as session:
            customer = Customer(name=form["name"], email=form["email"], city=form["city"])
            session.add(customer)
            session.flush()
            return jsonify(id=customer.id), 201

    @app.get("/customers/search")
    def search() -> ResponseReturnValue:
        """Older than the models, and written the way one should not: the value is pasted into the statement."""
        email = request.args["email"].replace("'", "''")
        statement = (
            "SELECT c.name, c.city, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders "
            f"FROM customers c WHERE c.email = '{email}' OR c.city = 'Atlantis' LIMIT {PAGE}"
        )
        with sessions() as session:
            rows = session.execute(text(statement.replace(":", "\\:")))
            return jsonify(statement=statement, found=[dict(row) for row in rows.mappings()])

    @app.get("/reports/sales")
    def sales() -> ResponseReturnValue:
        """What each category earned."""
        earned = func.sum(OrderItem.quantity * OrderItem.price_cents)
        report = (
            select(Product.category, func.count(OrderItem.order_id.distinct()), earned)
            .join(OrderItem.product)
            .group_by(Product.category)
            .order_by(earned.desc())
        )
        with sessions() as session:
            return jsonify(
                [{"category": name, "orders": count, "cents": cents} for name, count, cents in session.execute(report)]
            )

    @app.get("/reports/stars")
    def stars() -> ResponseReturnValue:
        """The products that people like best."""
        average = func.avg(Review.stars)
        report = select(Review.product_id, func.count(), average).group_by(Review.product_id).order_by(average.desc())
        with sessions() as session:
            return jsonify(
                [
                    {"product": product_id, "reviews": count, "stars": average_stars}
                    for product_id, count, average_stars in session.execute(report.limit(PAGE))
                ]
            )

    @app.get("/reports/best-customers")
    def best_customers() -> ResponseReturnValue:
        """Who spent the most in each city."""
        spent = (
            select(
                Customer.city,
                Customer.name,
                func.sum(OrderItem.quantity * OrderItem.price_cents).label("cents"),
            )
            .join(Customer.orders)
            .join(Order.items)
            .group_by(Customer.id)
            .cte("spent")
        )
        place = func.row_number().over(partition_by=spent.c.city, order_by=spent.c.cents.desc())
        ranked = select(spent, place.label("place")).subquery("ranked")
        with sessions() as session:
            rows = session.execute(select(ranked).where(ranked.c.place <= 3))
            return jsonify([dict(row) for row in rows.mappings()])

    @app.post("/stock-take")
    def stock_take() -> ResponseReturnValue:
        """Counts the shelves for `seconds` in one transaction; whoever wants to write waits, and gives up."""
        with sessions.begin() as session:
            session.execute(update(Product).values(counted_at=_now()))
            time.sleep(min(request.get_json()["seconds"], 5.0))
        return jsonify(status="counted")

    @app.errorhandler(OperationalError)
    def busy(_error: OperationalError) -> ResponseReturnValue:
        return jsonify(status="the database is busy, try again"), 503

    return app


def _newest_orders() -> Any:
    return select(Order).order_by(Order.placed_at.desc()).limit(PAGE)


def _page(orders: Sequence[Order]) -> list[dict[str, Any]]:
    buyers = [order.customer.name for order in orders]
    return [
        {
            "id": order.id,
            "customer": buyer,
            "items": [{"product": item.product.name, "quantity": item.quantity} for item in order.items],
        }
        for order, buyer in zip(orders, buyers, strict=True)
    ]


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


def main() -> None:
    """Serve the shop where the environment says."""
    engine = open_database(Path(os.environ.get("SHOP_DATABASE", "shop.db")))
    seed(engine)
    create_app(engine).run(port=int(os.environ.get("SHOP_PORT", "8080")))


if __name__ == "__main__":
    main()
