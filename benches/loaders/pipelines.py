"""Loaders of files with threads of their own: SPDL, which decodes with FFmpeg, and datago, written in Rust."""

import json
import os

import measure

from . import draws
from .loader import AHEAD, AUGMENT, BATCH, DECODE, RESIZE, WORKERS, Loader, root_of


class Spdl(Loader):
    name = "SPDL"
    needs = ("numpy", "spdl.io", "spdl.pipeline")

    def __init__(self, files, folder, workload):
        self.files, self.workload = files, workload

    def batches(self):
        from spdl.pipeline import PipelineBuilder

        steps = PipelineBuilder().add_source(draws.order(self.files)).pipe(self._decode, concurrency=WORKERS)
        steps = steps.aggregate(BATCH).pipe(self._batch).add_sink(AHEAD)
        pipeline = steps.build(num_threads=WORKERS)
        with pipeline.auto_stop():
            yield from pipeline

    def _decode(self, file):
        import spdl.io

        path, label = file
        packets = spdl.io.demux_image(path)
        return spdl.io.decode_packets(packets, filter_desc=self._filter(packets)), label

    def _filter(self, packets):
        """The words that FFmpeg has for a workload."""
        words = f"scale={measure.SIZE}:{measure.SIZE}:flags=bilinear"
        if self.workload == DECODE:
            words = ""
        elif self.workload == AUGMENT:
            top, left, height, width = draws.crop(packets.codec.height, packets.codec.width)
            words = f"crop={width}:{height}:{left}:{top}:exact=1,{words}" + (",hflip" if draws.flip() else "")
        return f"{words},format=pix_fmts=rgb24".removeprefix(",")

    def _batch(self, rows):
        import numpy as np
        import spdl.io

        frames, labels = zip(*rows, strict=True)
        return spdl.io.to_numpy(spdl.io.convert_frames(list(frames))), np.array(labels)


class Datago(Loader):
    name = "datago"
    needs = ("numpy", "datago")
    workloads = (RESIZE, DECODE)
    lacks = "no random crops"

    def __init__(self, files, folder, workload):
        from datago import DatagoClient

        os.environ["DATAGO_MAX_TASKS"] = str(WORKERS)
        square = {"default_image_size": measure.SIZE, "min_aspect_ratio": 1.0, "max_aspect_ratio": 1.0}
        steps = {"crop_and_resize": workload == RESIZE, "downsampling_ratio": 32, "image_to_rgb8": True, **square}
        config = {
            "source_type": "file",
            "source_config": {"root_path": root_of(files), "random_sampling": True, "rank": 0, "world_size": 1},
            "image_config": steps,
            "limit": len(files),
            "samples_buffer_size": AHEAD * BATCH,
        }
        self.labels = dict(files)
        self.client = DatagoClient(json.dumps(config))

    def batches(self):
        import numpy as np

        images, labels = np.empty((BATCH, measure.SIZE, measure.SIZE, 3), np.uint8), []
        self.client.start()
        while (sample := self.client.get_sample()) is not None:
            images[len(labels)] = sample.image.to_numpy_array()
            labels.append(self.labels[json.loads(sample.id)])
            if len(labels) == BATCH:
                yield images, np.array(labels)
                images, labels = np.empty_like(images), []
        if labels:
            yield images[: len(labels)], np.array(labels)
