"""What another party, or an earlier vitcrypt, sent or left: read within bounds, checked field by field, printed escaped."""
