"""What differs between upstreams: their routes, the headers that carry credentials, the shape of their URLs."""
