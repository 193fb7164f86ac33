"""What the site can do on this machine, measured from outside."""
