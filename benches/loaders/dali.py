"""NVIDIA DALI without a GPU."""

import measure

from . import draws
from .loader import AHEAD, AUGMENT, BATCH, DECODE, WORKERS, Loader


class Dali(Loader):
    name = "DALI, on the processor"
    needs = ("numpy", "nvidia.dali", "nvidia.dali.fn")

    def __init__(self, files, folder, workload):
        from nvidia.dali import fn, pipeline_def, types

        paths, labels = map(list, zip(*files, strict=True))

        @pipeline_def(batch_size=BATCH, num_threads=WORKERS, device_id=None, prefetch_queue_depth=AHEAD)
        def pipeline():
            jpegs, label = fn.readers.file(files=paths, labels=labels, shuffle_after_epoch=True, name="files")
            if workload == AUGMENT:
                crop = {"random_area": draws.AREA, "random_aspect_ratio": draws.ASPECT, "num_attempts": draws.ATTEMPTS}
                images = fn.decoders.image_random_crop(jpegs, **crop)
            else:
                images = fn.decoders.image(jpegs)
            if workload != DECODE:
                images = fn.resize(images, size=(measure.SIZE, measure.SIZE), interp_type=types.INTERP_LINEAR)
            if workload == AUGMENT:
                images = fn.flip(images, horizontal=fn.random.coin_flip(probability=draws.FLIP))
            return images, label

        self.images, self.pipeline = len(files), pipeline()
        self.pipeline.build()

    def batches(self):
        import numpy as np

        left = self.images
        while left > 0:
            images, labels = (np.asarray(batch.as_tensor()) for batch in self.pipeline.run())
            yield images[:left], labels[:left, 0]
            left -= len(images)
