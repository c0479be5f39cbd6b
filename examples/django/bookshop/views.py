"""The bookshop's pages."""

from __future__ import annotations

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse

from bookshop.models import Author, Book


def books(request: HttpRequest) -> JsonResponse:
    """Reads each book's author by itself: a statement for the page, and one for each book."""
    if request.method == "POST":
        return add_book(request)
    page = Book.objects.order_by("id")[:10]
    return JsonResponse({"books": [{"title": book.title, "author": book.author.name} for book in page]})


def books_eager(_request: HttpRequest) -> JsonResponse:
    """The same page from one statement."""
    page = Book.objects.select_related("author").order_by("id")[:10]
    return JsonResponse({"books": [{"title": book.title, "author": book.author.name} for book in page]})


def add_book(request: HttpRequest) -> JsonResponse:
    """Two inserts, both or neither; nobody thought of an e-mail that is there already."""
    form = json.loads(request.body)
    with transaction.atomic():
        author = Author.objects.create(name=form["author"], email=form["email"])
        book = Book.objects.create(title=form["title"], author=author)
    return JsonResponse({"id": book.pk}, status=201)
