"""The knobs of the servers: threads, fibers, processes, and which server answers."""

from django.core.exceptions import ImproperlyConfigured

from imsite.env import env

# Threads that answer HTTP beside the sockets: few are faster for reads, sends wait in theirs.
IM_READ_THREADS = env.int("IM_READ_THREADS", default=4)
IM_WRITE_THREADS = env.int("IM_WRITE_THREADS", default=64)
# Connections to PostgreSQL for what is short and done on the event loop's thread: each takes one only
# while it asks, so few are enough; with 1 a slow answer holds up all others.
IM_FIBERS = env.int("IM_FIBERS", default=8)
# The api role: processes; more than cores only switch.
IM_API_WORKERS = env.int("IM_API_WORKERS", default=2)
# What serves it: uvicorn answers on its event loop, granian with threads.
IM_API_SERVER = env.str("IM_API_SERVER", default="uvicorn")
if IM_API_SERVER not in ("uvicorn", "granian"):
    raise ImproperlyConfigured(f"IM_API_SERVER is uvicorn or granian, not {IM_API_SERVER!r}")
# With granian: threads in each process (a database connection each), and connections to each, idle ones
# included: below what the proxies keep open, clients are shut out.
IM_API_THREADS = env.int("IM_API_THREADS", default=32)
IM_API_CONNECTIONS = env.int("IM_API_CONNECTIONS", default=1024)
# The ws role: processes. Each tells its own sockets and commits its own sends: one core at most.
IM_WS_WORKERS = env.int("IM_WS_WORKERS", default=2)
if min(IM_API_WORKERS, IM_WS_WORKERS) < 1:
    raise ImproperlyConfigured("IM_API_WORKERS and IM_WS_WORKERS are at least 1")
# What serves sockets: daphne buffers without bound for clients who do not read.
IM_ASGI_SERVER = env.str("IM_ASGI_SERVER", default="uvicorn")
if IM_ASGI_SERVER not in ("uvicorn", "daphne"):
    raise ImproperlyConfigured(f"IM_ASGI_SERVER is uvicorn or daphne, not {IM_ASGI_SERVER!r}")
