"""Takes addresses and credentials of HTTP listeners, and answers what Prometheus and the rest of the stack hold."""
