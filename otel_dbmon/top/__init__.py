"""A live view of what services ask their databases: where figures come from, what is made of them, how it is shown."""
