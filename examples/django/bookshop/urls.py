"""Where the bookshop's pages are."""

from __future__ import annotations

from django.urls import path

from bookshop import views

urlpatterns = [path("books", views.books), path("books/eager", views.books_eager)]
