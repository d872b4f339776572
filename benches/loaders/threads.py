"""Two threads of Python that fill batches: what the libraries below give up the interpreter's lock for."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import draws
from .loader import AHEAD, AUGMENT, BATCH, DECODE, RESIZE, SIZE, WORKERS, Loader

# Images of a task: small, so that both threads end a batch together.
TASK = 8


class _Threads(Loader):
    def __init__(self, files, folder, workload):
        self.files, self.workload = files, workload
        self.pool = ThreadPoolExecutor(WORKERS)

    def batches(self):
        files, ahead = draws.order(self.files), deque()
        for first in range(0, len(files), BATCH):
            ahead.append(self._begin(files[first : first + BATCH]))
            if len(ahead) > AHEAD:
                yield self._end(*ahead.popleft())
        while ahead:
            yield self._end(*ahead.popleft())

    def _begin(self, files):
        import numpy as np

        images = np.empty((len(files), *SIZE, 3), np.uint8)
        tasks = [
            self.pool.submit(self._fill, images[first : first + TASK], files[first : first + TASK])
            for first in range(0, len(files), TASK)
        ]
        return images, np.array([label for _, label in files]), tasks

    def _end(self, images, labels, tasks):
        for task in tasks:
            task.result()
        return images, labels

    def _fill(self, images, files):
        for image, (path, _) in zip(images, files, strict=True):
            self.fill(image, path)

    def fill(self, image, path):
        """Puts the pixels of a file into `image`."""
        raise NotImplementedError


class Ceiling(_Threads):
    """The ceiling: decodes and resizes files in memory, always into the same batch."""

    name = "in memory: libjpeg-turbo, torchvision's resize"
    needs = ("numpy", "simplejpeg", "torch", "torchvision.transforms.v2")

    def __init__(self, files, folder, workload):
        import numpy as np
        import torch

        torch.set_num_threads(1)
        super().__init__(files, folder, workload)
        self.memory = {path: Path(path).read_bytes() for path, _ in files}
        self.images = np.zeros((BATCH, *SIZE, 3), np.uint8)

    def batches(self):
        import numpy as np

        files = draws.order(self.files)
        for first in range(0, len(files), BATCH):
            batch = files[first : first + BATCH]
            parts = [(self.images[n : n + TASK], batch[n : n + TASK]) for n in range(0, len(batch), TASK)]
            deque(self.pool.map(lambda part: self._fill(*part), parts), 0)
            yield self.images[: len(batch)], np.array([label for _, label in batch])

    def fill(self, image, path):
        import simplejpeg
        import torch
        from torchvision.transforms.v2 import functional

        if self.workload == DECODE:
            simplejpeg.decode_jpeg(self.memory[path], buffer=image)
            return
        pixels = simplejpeg.decode_jpeg(self.memory[path])
        if self.workload == AUGMENT:
            top, left, height, width = draws.crop(*pixels.shape[:2])
            pixels = pixels[top : top + height, left : left + width]
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        resized = functional.resize(planes, SIZE, antialias=True).permute(1, 2, 0).numpy()
        image[:] = resized[:, ::-1] if self.workload == AUGMENT and draws.flip() else resized


class OpenCvLinear(_Threads):
    name = "OpenCV in two threads"
    needs = ("numpy", "cv2")
    interpolation = "INTER_LINEAR"

    def __init__(self, files, folder, workload):
        import cv2

        # The two threads are the parallelism.
        cv2.setNumThreads(0)
        super().__init__(files, folder, workload)

    def fill(self, image, path):
        import cv2
        import numpy as np

        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
        if self.workload == DECODE:
            image[:] = pixels
            return
        if self.workload == AUGMENT:
            top, left, height, width = draws.crop(*pixels.shape[:2])
            pixels = pixels[top : top + height, left : left + width]
        cv2.resize(pixels, SIZE, dst=image, interpolation=getattr(cv2, self.interpolation))
        if self.workload == AUGMENT and draws.flip():
            cv2.flip(image, 1, dst=image)


class OpenCvArea(OpenCvLinear):
    name = "OpenCV in two threads, INTER_AREA"
    interpolation = "INTER_AREA"
    workloads = (RESIZE, AUGMENT)
