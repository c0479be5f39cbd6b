"""A bookshop on Django: `python app.py` migrates its database and serves http://127.0.0.1:8000/books."""

from __future__ import annotations

import os

import django
from django.core.management import call_command


def main() -> None:
    """Bring the database up to date, then serve."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("runserver", f"127.0.0.1:{os.environ.get('PORT', '8000')}", use_reloader=False)


if __name__ == "__main__":
    main()
