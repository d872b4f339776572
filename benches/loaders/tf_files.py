"""tf.data over image files."""

from . import draws
from .loader import AUGMENT, BATCH, DECODE, SIZE, WORKERS, Loader


class TfData(Loader):
    name = "tf.data"
    needs = ("numpy", "tensorflow")

    def __init__(self, files, folder, workload):
        import tensorflow as tf

        paths, labels = map(list, zip(*files, strict=True))
        options = tf.data.Options()
        options.deterministic = False
        options.threading.private_threadpool_size = WORKERS
        rows = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(files))
        load = {DECODE: self._decoded, AUGMENT: self._augmented}.get(workload, self._resized)
        images = rows.map(lambda path, label: (load(tf.io.read_file(path)), label), num_parallel_calls=tf.data.AUTOTUNE)
        self.passes = images.batch(BATCH).prefetch(tf.data.AUTOTUNE).with_options(options)

    def batches(self):
        import numpy as np

        for images, labels in self.passes:
            yield np.asarray(memoryview(images)), np.asarray(memoryview(labels))

    def _decoded(self, file):
        import tensorflow as tf

        return tf.ensure_shape(tf.io.decode_jpeg(file, channels=3), (*SIZE, 3))

    def _resized(self, file):
        import tensorflow as tf

        return _rounded(tf.image.resize(tf.io.decode_jpeg(file, channels=3), SIZE))

    def _augmented(self, file):
        import tensorflow as tf

        start, size, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(file),
            tf.zeros((1, 0, 4)),
            min_object_covered=0,
            aspect_ratio_range=draws.ASPECT,
            area_range=draws.AREA,
            max_attempts=draws.ATTEMPTS,
            use_image_if_no_bounding_boxes=True,
        )
        image = tf.io.decode_and_crop_jpeg(file, tf.concat((start[:2], size[:2]), 0), channels=3)
        return tf.image.random_flip_left_right(_rounded(tf.image.resize(image, SIZE)))


def _rounded(floats):
    import tensorflow as tf

    return tf.cast(floats + 0.5, tf.uint8)
