"""Ways to keep the same images and to read them back in batches, each as its documentation has it.

Every image is uint8 [224, 224, 3], stored as it is: no format compresses pixels. A batch is one array of 64 of them,
and their labels.
"""

from . import arrays, arrow, ours, records, torch_loaders

READERS = {
    reader.name: reader
    for reader in (
        ours.Batches,
        ours.Planes,
        ours.Floats,
        ours.FloatPlanes,
        ours.Unmapped,
        ours.Rows,
        ours.ArrowRows,
        ours.ToTorch,
        ours.ToTf,
        ours.ToJax,
        arrays.Copied,
        arrays.Views,
        arrays.TfGenerator,
        arrays.TfInMemory,
        arrow.PyarrowTensor,
        arrow.PyarrowBinary,
        arrow.PolarsTensor,
        arrow.PolarsBinary,
        arrow.MapCopied,
        arrow.MapViews,
        arrow.HuggingFace,
        arrow.Lance,
        records.TfRecords,
        records.Grain,
        torch_loaders.WebDataset,
        torch_loaders.Mosaic,
        torch_loaders.Ffcv,
    )
}
