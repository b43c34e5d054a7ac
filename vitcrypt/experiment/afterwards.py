"""What comes beside the record of a job is worth a warning if it fails, and never the record."""

from collections.abc import Callable

from vitcrypt.untrusted.text import console


def tried(work: Callable[[], object], lost: str) -> bool:
    """Do some work and return whether it succeeded; otherwise print a line that begins with what is lost."""
    try:
        work()
    except Exception as error:  # fonts, disks, permissions, networks: whatever it is, the record does without it
        reason = " ".join(str(error).split()) or type(error).__name__
        console.print(f"  warning: {lost} ({reason}); result.json does without it", style="yellow")
        return False
    return True
