"""One section of the report a module: the report comes in, tables, charts and the PromQL of their numbers go out."""
