"""HTTP doors for those who run a group: members, roles, rules."""

from django.http import HttpResponse

from accounts.auth import Request
from conversations import governing, members, shapes
from conversations.views import HeadDoor
from imsite.core import clock


class Update(HeadDoor):
    """Change a group's title, announcement or rules."""

    Body = shapes.Update

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Change what is given."""
        changes = self.body(shapes.Update).changes()
        governing.update(request.user.user_id, conversation_id, changes=changes, now=clock.now())
        return self.show(conversation_id)


class Add(HeadDoor):
    """Add members to a group."""

    Body = shapes.Several

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Add them all or none; requests of theirs are approved by it."""
        people = self.body(shapes.Several).user_ids
        members.add(request.user.user_id, conversation_id, user_ids=people, now=clock.now())
        return self.show(conversation_id)


class Remove(HeadDoor):
    """Remove members from a group."""

    Body = shapes.Several

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Remove them all or none."""
        people = self.body(shapes.Several).user_ids
        members.remove(request.user.user_id, conversation_id, user_ids=people, now=clock.now())
        return self.show(conversation_id)


class Mute(HeadDoor):
    """Mute a member for a while, or lift it."""

    Body = shapes.Muting

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Mute for `seconds`; null lifts it."""
        body = self.body(shapes.Muting)
        governing.mute(
            request.user.user_id,
            conversation_id,
            target_id=body.user_id,
            seconds=body.seconds,
            now=clock.now(),
        )
        return self.show(conversation_id)


class Role(HeadDoor):
    """Make a member an admin, or an admin a member."""

    Body = shapes.RoleGiven

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Give the role."""
        body = self.body(shapes.RoleGiven)
        governing.set_role(
            request.user.user_id,
            conversation_id,
            target_id=body.user_id,
            role=body.role,
            now=clock.now(),
        )
        return self.show(conversation_id)


class Transfer(HeadDoor):
    """Hand a group to another member."""

    Body = shapes.Person

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Make the other the owner; the old one becomes an admin."""
        target = self.body(shapes.Person).user_id
        governing.transfer(request.user.user_id, conversation_id, target_id=target, now=clock.now())
        return self.show(conversation_id)


class Dissolve(HeadDoor):
    """End a group for all."""

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Dissolve the group."""
        governing.dissolve(request.user.user_id, conversation_id, now=clock.now())
        return self.show(conversation_id)


class Leave(HeadDoor):
    """Leave a group."""

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Leave; an owner hands the group over first."""
        members.leave(request.user.user_id, conversation_id, now=clock.now())
        return self.show(conversation_id)


class Decline(HeadDoor):
    """Turn requests to join down."""

    Body = shapes.Several

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Decline them all or none."""
        people = self.body(shapes.Several).user_ids
        members.decline(request.user.user_id, conversation_id, user_ids=people, now=clock.now())
        return self.show(conversation_id)
