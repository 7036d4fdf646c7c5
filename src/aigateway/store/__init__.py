"""Tables, migrations and queries: the shared state of all replicas."""
