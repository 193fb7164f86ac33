"""Every route of the contract is there and takes the method it should; nothing else is."""

import pytest
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

CONTRACT = """
POST accounts/register
POST accounts/login
POST accounts/token/refresh
POST accounts/logout
GET  accounts/devices
POST accounts/devices/{device_id}/revoke
GET  accounts/me
POST accounts/me
POST accounts/password
POST accounts/delete
GET  accounts/export
GET  accounts/users
GET  accounts/users/{user_id}
GET  accounts/users/search
GET  accounts/blocks
POST accounts/blocks/add
POST accounts/blocks/remove
POST accounts/ws-ticket
GET  conversations
POST conversations
GET  conversations/{conversation_id}
POST conversations/{conversation_id}/update
POST conversations/{conversation_id}/members/add
POST conversations/{conversation_id}/members/remove
POST conversations/{conversation_id}/members/mute
POST conversations/{conversation_id}/members/role
POST conversations/{conversation_id}/transfer
POST conversations/{conversation_id}/dissolve
POST conversations/{conversation_id}/leave
POST conversations/{conversation_id}/join
GET  conversations/{conversation_id}/requests
POST conversations/{conversation_id}/requests/decline
POST conversations/{conversation_id}/read
POST conversations/{conversation_id}/settings
POST conversations/{conversation_id}/typing
GET  conversations/{conversation_id}/members
GET  conversations/{conversation_id}/reads
GET  conversations/{conversation_id}/messages
POST conversations/{conversation_id}/messages
GET  conversations/{conversation_id}/messages/at
POST conversations/{conversation_id}/messages/{seq}/recall
POST conversations/{conversation_id}/messages/{seq}/edit
POST conversations/{conversation_id}/messages/{seq}/react
POST conversations/{conversation_id}/messages/{seq}/pin
POST conversations/{conversation_id}/messages/{seq}/unpin
POST conversations/{conversation_id}/messages/{seq}/report
GET  messages
POST messages
GET  messages/search
GET  sync
GET  push/tokens
POST push/tokens
POST push/tokens/remove
GET  push/webpush-key
GET  push/settings
POST push/settings
GET  push/why
"""


def test_the_routes_are_those_of_the_contract():
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    found = {(method, path) for path, _, method, _ in generator.endpoints}
    lines = [line.split() for line in CONTRACT.strip().splitlines()]
    assert found == {(method, f"/api/v1/{path}") for method, path in lines}


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/api/schema", "/api/docs", "/admin/"]
)
def test_the_routes_without_envelope_resolve(path):
    assert resolve(path).func.__name__ != "not_found"


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/accounts/me/"])
def test_unknown_routes_of_the_api_end_in_the_envelope(path):
    assert resolve(path).func.__name__ == "not_found"
