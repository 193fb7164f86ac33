"""Takes out of the admin what other packages put there: it writes rows, and shows secrets."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django_otp.plugins.otp_totp.models import TOTPDevice

admin.site.unregister(TOTPDevice)
admin.site.unregister(Group)
