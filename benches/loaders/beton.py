"""FFCV: its own file, of the JPEGs as they are."""

import os

from . import draws
from .loader import AUGMENT, BATCH, DECODE, SIZE, WORKERS, Loader


def _file_field():
    """A field that stores the file as it is; the image field of FFCV encodes the pixels again."""
    from ffcv.fields.rgb_image import IMAGE_MODES, RGBImageField

    class FileField(RGBImageField):
        def encode(self, destination, image, malloc):
            import numpy as np
            from PIL import Image

            with Image.open(image) as opened:
                destination["width"], destination["height"] = opened.size
            file = np.fromfile(image, np.uint8)
            destination["mode"] = IMAGE_MODES["jpg"]
            destination["data_ptr"], storage = malloc(file.nbytes)
            storage[:] = file

    return FileField


def _whole_image(height, width, scale, ratio):
    return 0, 0, height, width


def _decoder(workload):
    from ffcv.fields import rgb_image

    class WholeImageDecoder(rgb_image.ResizedCropRGBImageDecoder):
        """That of FFCV without a random crop takes a square out of the centre."""

        scale = ratio = None

        @property
        def get_crop_generator(self):
            return _whole_image

    if workload == DECODE:
        return rgb_image.SimpleRGBImageDecoder()
    if workload == AUGMENT:
        return rgb_image.RandomResizedCropRGBImageDecoder(SIZE, draws.AREA, draws.ASPECT)
    return WholeImageDecoder(SIZE)


class Ffcv(Loader):
    name = "FFCV"
    needs = ("numpy", "torch", "PIL.Image", "ffcv", "ffcv.loader", "ffcv.transforms")
    format = "ffcv"

    @staticmethod
    def write(files, folder):
        from ffcv.fields import IntField
        from ffcv.writer import DatasetWriter

        fields = {"image": _file_field()(), "label": IntField()}
        writer = DatasetWriter(os.path.join(folder, "rows.beton"), fields, num_workers=1)
        writer.from_indexed_dataset(files)

    def __init__(self, files, folder, workload):
        from ffcv.fields import IntField, RGBImageField
        from ffcv.fields.basics import IntDecoder
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import RandomHorizontalFlip, Squeeze, ToTensor

        flip = [RandomHorizontalFlip(draws.FLIP)] if workload == AUGMENT else []
        steps = {
            "image": [_decoder(workload), *flip, ToTensor()],
            "label": [IntDecoder(), ToTensor(), Squeeze(1)],
        }
        settings = {"num_workers": WORKERS, "os_cache": True, "drop_last": False, "order": OrderOption.RANDOM}
        fields = {"image": RGBImageField, "label": IntField}
        path = os.path.join(folder, "rows.beton")
        self.loader = Loader(path, BATCH, pipelines=steps, custom_fields=fields, **settings)

    def batches(self):
        for images, labels in self.loader:
            yield images.numpy(), labels.numpy()
