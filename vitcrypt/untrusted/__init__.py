"""What another party or an earlier vitcrypt left: read within bounds, checked field by field, printed escaped."""
