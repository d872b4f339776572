"""Runs a recipe of docs/loading.md and writes down the labels of every training step: `loading_recorder.py RECIPE OUT`.

What a step is trained with is read where every loss takes its labels, so a recipe runs as it stands. Each process
appends a line of JSON for each step to `OUT-RANK`. With `INLAID_STOP_AFTER=N` the program is killed when step N + 1
begins, as by a machine that fails.
"""

import json
import os
import runpy
import signal
import sys
from pathlib import Path


class Steps:
    """The steps of this process."""

    def __init__(self, path):
        self.path, self.count = path, 0
        self.last = int(os.environ.get("INLAID_STOP_AFTER", 1_000_000))

    def record(self, labels):
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        with self.path.open("a") as file:
            file.write(json.dumps([int(label) for label in labels]) + "\n")

    def before(self, module, name, labels_of):
        """Records the labels that calls of this function get."""
        function = getattr(module, name)

        def recorded(*arguments, **keywords):
            labels = labels_of(*arguments)
            if labels is not None:
                self.record(labels)
            return function(*arguments, **keywords)

        setattr(module, name, recorded)


def of_torch(steps):
    import torch.nn.functional

    steps.before(torch.nn.functional, "cross_entropy", lambda logits, labels: labels)


def of_keras(steps, backend):
    """Step by step in Python, since labels are not known while a function is traced."""
    os.environ["KERAS_BACKEND"] = backend
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
    if backend == "jax":
        import jax

        jax.config.update("jax_disable_jit", True)
    import keras

    # Arguments: the model, with JAX its state, then images and labels.
    steps.before(keras.Model, "train_step", lambda *arguments: arguments[-1][1])


def of_tf(steps):
    import tensorflow as tf

    steps.before(tf.nn, "sparse_softmax_cross_entropy_with_logits", lambda labels, logits: labels.numpy())


def of_jax(steps):
    import jax

    jax.config.update("jax_disable_jit", True)
    steps.before(jax.nn, "one_hot", lambda labels, classes: labels)


def main(recipe, out):
    code = Path(recipe).read_text()
    steps = Steps(Path(f"{out}-{os.environ.get('RANK', 0)}"))
    if "keras.Sequential" in code and "tf." not in code:
        backend = next((name for name in ("torch", "jax") if f'KERAS_BACKEND"] = "{name}"' in code), "tensorflow")
        of_keras(steps, backend)
    elif "cross_entropy_with_logits" in code:
        of_tf(steps)
    elif "one_hot" in code:
        of_jax(steps)
    else:
        of_torch(steps)
    runpy.run_path(recipe, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
