"""What a person runs: the commands behind ``otel-dbmon``. No service process ever imports this package."""
