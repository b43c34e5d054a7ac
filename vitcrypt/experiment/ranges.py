"""Types of options: their ranges, and what is said of a value outside."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from vitcrypt.untrusted.documents import MAX_SIDE


def one_of(*names: str) -> AfterValidator:
    """Return a check that a text is one of these names."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"{', '.join(names[:-1])} or {names[-1]}")
        return value

    return AfterValidator(check)


def _number_or_all(value: int) -> int:
    if value < 1 and value != -1:
        raise ValueError("a number from 1, or to -1 for no limit")
    return value


def _name(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or not value.isprintable():
        raise ValueError("a word: it names a folder below results")
    return value


def _key_files(value: Any) -> Any:
    several = isinstance(value, list)
    files = [str(entry) for entry in (value if several else [value])]  # a name of digits comes as a number
    if value is None or (several and len(files) < 2):
        raise ValueError("the path of a key file, or to those of two owners and more: key=[a.txt,b.txt]")
    if "" in files:
        raise ValueError("paths that are not empty (a shell variable that is not set?)")
    return files if several else files[0]


def batch_limit(value: Any) -> Any:
    """Return a limit of batches if it is a number of them or a share."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is not None and not whole and not (isinstance(value, float) and 0 <= value <= 1):
        raise ValueError("a number of batches (1, 2, ...) or a share of them (0.1 to 1.0)")
    return value


def some_batches(value: Any) -> Any:
    """Return a limit of batches if it leaves some."""
    if value == 0:
        raise ValueError("at least 1 batch, or more than 0.0 of them")
    return batch_limit(value)


Count = Annotated[int, Field(ge=1)]
OrAll = Annotated[int, AfterValidator(_number_or_all)]
NotNegative = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
PathText = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name)]
KeyFiles = Annotated[Any, AfterValidator(_key_files)]
KeyScope = Annotated[str, one_of("shared", "per_image")]
Copies = Annotated[str, one_of("exact", "jpeg90", "jpeg90_420", "jpeg50", "brightened", "cropped", "resized")]
Limit = Annotated[Any, AfterValidator(batch_limit)]
