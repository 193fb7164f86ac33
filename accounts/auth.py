"""Who is calling: credentials of requests and sockets, turned into a Caller."""
