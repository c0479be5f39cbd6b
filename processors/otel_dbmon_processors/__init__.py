"""What happens to one executed SQL statement: sanitize, classify, detect, aggregate. Pure: no environment, no I/O."""
