"""The admin: its site, who may come in, the dashboard."""
