"""What every page of the admin is made of, whichever app it belongs to."""
