"""Takes what Prometheus, or one scrape, holds of our metrics, and answers with a report: a page, Markdown or JSON."""
