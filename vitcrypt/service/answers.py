"""What a service answers, as typed documents: its client reads nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vitcrypt.service.description import ClientFile
from vitcrypt.untrusted.documents import Document, Share, Text

Label = Annotated[int, Field(ge=0, lt=10**6)]
Name = Annotated[str, Field(max_length=1000)]


class Allowed(Document):
    """What one request may bring."""

    max_images: Annotated[int, Field(ge=1, le=2**31)]
    max_bytes: Annotated[int, Field(ge=1, le=2**40)]


class Served(Document):
    """Which network answers."""

    identity: Text | None = None
    names: Annotated[dict[Text, Text], Field(max_length=100)] | None = None
    test_accuracy: Share | None = None
    test_images: Annotated[int, Field(ge=0, le=2**40)] | None = None


class Info(ClientFile):
    """The answer of /info."""

    served: Served | None = None
    limits: Allowed


class Score(Document):
    """A class and its probability. The name is for people: the client takes it from the description."""

    label: Label
    name: Name | None = None
    probability: Share


class Answer(Score):
    """The most probable class of one image, and the five most probable ones."""

    top: Annotated[list[Score], Field(max_length=100)]


class Answers(Document):
    """The answer of /predict: one for each image, in the order of the request."""

    predictions: Annotated[list[Answer], Field(max_length=2**16)]


class Problem(Document):
    """Why a request was refused."""

    detail: Annotated[str, Field(max_length=10_000)]
