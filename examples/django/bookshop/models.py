"""Authors and their books."""

from __future__ import annotations

from django.db import models


class Author(models.Model):
    """Somebody who writes."""

    name = models.CharField(max_length=80)
    email = models.EmailField(unique=True)


class Book(models.Model):
    """Something to read."""

    title = models.CharField(max_length=120)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
