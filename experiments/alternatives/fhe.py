"""Concrete-ML: logistic regression of 8 bits, compiled to FHE; keys and evaluation in one process on this machine."""

import time
from importlib.metadata import version

from concrete.ml.sklearn import LogisticRegression
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from task import measured, tell


def main() -> None:
    """Measure."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 8 - 1, labels, test_size=360, random_state=0, stratify=labels)
    model = LogisticRegression(n_bits=8, max_iter=300)
    model.fit(parts[0], parts[2])
    started = time.perf_counter()
    circuit = model.compile(parts[0])
    circuit.keygen()
    setup = time.perf_counter() - started

    def answer(image):
        return model.predict_proba(image[None], fhe="execute")[0], circuit.size_of_inputs + circuit.size_of_outputs

    rows = {"digits": measured(answer, parts[1], parts[3], 60)}
    tell(rows, setup_bytes=None, setup_seconds=setup, version=f"concrete-ml {version('concrete-ml')}")


if __name__ == "__main__":
    main()
