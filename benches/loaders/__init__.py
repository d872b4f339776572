"""Ways to load the same JPEGs in batches of pixels, each as its documentation has it.

Every batch is one array of 256 images of 224x224, uint8, and their labels; every pass is in another order.
"""

from . import beton, dali, ours, pipelines, tf_files, threads, torch_files

LOADERS = {
    loader.name: loader
    for loader in (
        ours.Zune,
        ours.Turbo,
        ours.Shrunk,
        threads.Ceiling,
        threads.OpenCvLinear,
        threads.OpenCvArea,
        tf_files.TfData,
        torch_files.Torchvision,
        torch_files.Pillow,
        torch_files.HuggingFace,
        beton.Ffcv,
        dali.Dali,
        pipelines.Spdl,
        pipelines.Datago,
    )
}
