"""The table on the screen: takes queries in order, changes the cells that differ, keeps the cursor on its query."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.message import Message
from textual.widgets import DataTable

from otel_dbmon.top.columns import GAP, SORTINGS, Context, Layout, cells, layout
from otel_dbmon.top.history import History
from otel_dbmon.top.reading import Query

#: Most rows on the screen; who looks for another one filters.
MOST_ROWS = 200


class Queries(DataTable[Text]):
    """Queries, one a row."""

    class Chosen(Message):
        """Somebody wants to know all about a query."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

    class Sorted(Message):
        """Somebody wants another order: by this column."""

        def __init__(self, by: str) -> None:
            super().__init__()
            self.by = by

    def __init__(self, history: History, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=0, show_row_labels=False)
        self._history = history
        self._queries: Sequence[Query] = ()
        self._shown: list[list[Text]] = []
        self._heads: tuple[Layout | None, str, bool] = (None, "", False)

    @property
    def selected(self) -> Query | None:
        """The query below the cursor."""
        return self._queries[self.cursor_row] if 0 <= self.cursor_row < len(self._queries) else None

    def show(self, queries: Sequence[Query], total_seconds: float, by: str, backwards: bool, several: bool) -> None:
        """Show these, in this order.

        Args:
            queries: What to show.
            total_seconds: How long all queries take, seconds per second, for the shares.
            by: What they are sorted by.
            backwards: Whether the lowest comes first.
            several: Whether they are of several services.
        """
        # At the top it stays at the top; anywhere else it stays with its query.
        selected = self.selected if self.cursor_row > 0 else None
        shown = layout(self.size.width or self.app.size.width, several)
        if self._heads != (shown, by, backwards):
            self._heads = (shown, by, backwards)
            self._make_heads(shown, by, backwards)
        context = Context(total_seconds, self._history, shown.trend_width)
        rows = [self._spaced(cells(query, shown.columns, context), shown) for query in queries[:MOST_ROWS]]
        self._queries = queries[:MOST_ROWS]
        self._change(rows)
        place = next((i for i, query in enumerate(self._queries) if selected and query.key == selected.key), None)
        if place is not None and place != self.cursor_row:
            self.move_cursor(row=place, animate=False)

    def _make_heads(self, shown: Layout, by: str, backwards: bool) -> None:
        self.clear(columns=True)
        self._shown = []
        for column, width in zip(shown.columns, shown.widths, strict=True):
            mark = ("▲" if backwards else "▼") if column.sorting and column.sorting == by else ""
            is_number = column.title not in ("service", "query")
            title = Text(f"{mark}{column.title}".rjust(width) if is_number else column.title)
            self.add_column(title, width=width + GAP, key=column.sorting or column.title)

    def _spaced(self, row: list[Text], shown: Layout) -> list[Text]:
        for cell, width in zip(row, shown.widths, strict=True):
            # The table pads on the right only.
            cell.truncate(width, overflow="ellipsis", pad=False)
            if cell.justify == "right":
                cell.pad_left(max(width - cell.cell_len, 0))
                cell.justify = None
        return row

    def _change(self, rows: list[list[Text]]) -> None:
        for place, row in enumerate(rows):
            if place >= len(self._shown):
                self.add_row(*row)
                continue
            for index, (cell, before) in enumerate(zip(row, self._shown[place], strict=True)):
                if cell != before or cell.style != before.style:
                    self.update_cell_at((place, index), cell)  # type: ignore[arg-type]
        while self.row_count > len(rows):
            self.remove_row(self.ordered_rows[-1].key)
        self._shown = rows

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row below the cursor."""
        event.stop()
        if self.selected is not None:
            self.post_message(self.Chosen(self.selected))

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """A click on a column's title."""
        event.stop()
        if event.column_key.value in SORTINGS:
            self.post_message(self.Sorted(str(event.column_key.value)))
