"""Nothing is hidden: the provider gets float32 values and answers with logits."""

import sys

import numpy as np
from task import measured, tasks, tell


def main() -> None:
    """Measure."""
    rows = {}
    for name, (layers, images, labels) in tasks(sys.argv[1:]).items():

        def answer(image, layers=layers):
            values = image
            for number, (weight, bias) in enumerate(layers):
                values = (values**2 if number else values) @ weight + bias
            return values, 4 * (image.size + values.size)

        rows[name] = measured(answer, images, labels, 360 if name == "digits" else 2000)
    tell(rows, setup_bytes=0, version=f"numpy {np.__version__}")


if __name__ == "__main__":
    main()
