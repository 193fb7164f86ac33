"""Django's PostgreSQL backend, made to notice at once when the database is gone."""
