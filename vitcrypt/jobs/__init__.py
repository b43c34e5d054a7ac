"""What keeps a long job safe: atomic files, a lock, Ctrl-C that is never lost. Standard library only."""
