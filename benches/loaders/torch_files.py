"""`DataLoader` of PyTorch with two workers."""

from pathlib import Path

from . import draws
from .loader import AHEAD, AUGMENT, BATCH, DECODE, SIZE, WORKERS, Loader


def _steps(workload, *last):
    """The transforms of a workload, for tensors and for images of Pillow."""
    from torchvision.transforms import v2

    steps = list(last)
    if workload == AUGMENT:
        steps = [
            v2.RandomResizedCrop(SIZE, draws.AREA, draws.ASPECT, antialias=True),
            v2.RandomHorizontalFlip(draws.FLIP),
            *last,
        ]
    elif workload != DECODE:
        steps = [v2.Resize(SIZE, antialias=True), *last]
    return v2.Compose(steps) if steps else lambda image: image


class _Workers(Loader):
    needs = ("numpy", "torch", "torch.utils.data", "torchvision.transforms.v2")

    def __init__(self, files, folder, workload):
        from torch.utils.data import DataLoader

        rows = self.rows(files, folder, workload)
        settings = {"num_workers": WORKERS, "prefetch_factor": AHEAD, "persistent_workers": True}
        self.loader = DataLoader(rows, BATCH, shuffle=True, **settings)

    def rows(self, files, folder, workload):
        """What has `len` and (image, label) by number."""
        raise NotImplementedError

    def batches(self):
        for images, labels in self.loader:
            yield images.numpy(), labels.numpy()


class _TorchvisionRows:
    def __init__(self, files, workload):
        self.files, self.steps = files, _steps(workload)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        from torchvision.io import ImageReadMode, decode_jpeg, read_file

        path, label = self.files[row]
        return self.steps(decode_jpeg(read_file(path), ImageReadMode.RGB)), label


class Torchvision(_Workers):
    name = "torchvision, DataLoader"
    needs = (*_Workers.needs, "torchvision.io")

    def rows(self, files, folder, workload):
        return _TorchvisionRows(files, workload)


class _PillowRows:
    def __init__(self, files, workload):
        from torchvision.transforms.v2 import PILToTensor

        self.files, self.steps = files, _steps(workload, PILToTensor())

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        from PIL import Image

        path, label = self.files[row]
        with Image.open(path) as image:
            return self.steps(image.convert("RGB")), label


class Pillow(_Workers):
    name = "Pillow, DataLoader"
    needs = (*_Workers.needs, "PIL.Image")

    def rows(self, files, folder, workload):
        return _PillowRows(files, workload)


class HuggingFace(_Workers):
    name = "Hugging Face datasets, DataLoader"
    needs = (*_Workers.needs, "PIL.Image", "datasets")
    format = "hugging-face"

    @staticmethod
    def write(files, folder):
        import datasets

        images = [{"bytes": Path(path).read_bytes(), "path": None} for path, _ in files]
        features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
        rows = {"image": images, "label": [label for _, label in files]}
        datasets.Dataset.from_dict(rows, features).save_to_disk(folder)

    def rows(self, files, folder, workload):
        import datasets
        from torchvision.transforms.v2 import PILToTensor

        steps = _steps(workload, PILToTensor())

        def load(rows):
            return {"image": [steps(image.convert("RGB")) for image in rows["image"]], "label": rows["label"]}

        return datasets.load_from_disk(folder).with_transform(load)

    def batches(self):
        for batch in self.loader:
            yield batch["image"].numpy(), batch["label"].numpy()
