"""The tables, and ten books in them."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def stock(apps: Any, _schema_editor: Any) -> None:
    """Write ten authors and a book by each."""
    authors, books = apps.get_model("bookshop", "Author"), apps.get_model("bookshop", "Book")
    for number in range(1, 11):
        author = authors.objects.create(name=f"Author {number}", email=f"author-{number}@example.com")
        books.objects.create(title=f"Volume {number}", author=author)


class Migration(migrations.Migration):
    """The first."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Author",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("email", models.EmailField(max_length=254, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=120)),
                (
                    "author",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="bookshop.author"),
                ),
            ],
        ),
        migrations.RunPython(stock, migrations.RunPython.noop),
    )
