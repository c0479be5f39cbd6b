"""The dashboards as Python: queries from the registry's names, panels from queries, pages from panels."""
