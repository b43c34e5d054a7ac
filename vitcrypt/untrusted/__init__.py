"""What another party sent or left: read within bounds, checked field by field, printed escaped."""
