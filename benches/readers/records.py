"""Files of records: TFRecords in tf.data, array_record in grain."""

import os
import struct

import measure

from .reader import BATCH, BUFFER, WORKERS, Reader, files, labelled
from .tensors import of_tf

SHAPE = (measure.SIZE, measure.SIZE, 3)


class TfRecords(Reader):
    name = "TFRecords, parsed in batches"
    needs = ("numpy", "tensorflow")
    format = "tfrecord"
    rival = "inlaid, to_tf"
    shuffles = f"{BUFFER} images"

    @staticmethod
    def write(rows, folder):
        import tensorflow as tf
        from tensorflow.train import BytesList, Example, Feature, Features, Int64List

        writers = [tf.io.TFRecordWriter(os.path.join(folder, f"{part}.tfrecord")) for part in range(WORKERS)]
        for row, (image, label) in enumerate(labelled(rows)):
            feature = {
                "image": Feature(bytes_list=BytesList(value=[image.tobytes()])),
                "label": Feature(int64_list=Int64List(value=[label])),
            }
            record = Example(features=Features(feature=feature)).SerializeToString()
            writers[row * WORKERS // len(rows)].write(record)
        for writer in writers:
            writer.close()

    def __init__(self, folder):
        import tensorflow as tf

        self.files = files(folder, ".tfrecord")
        self.features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def in_order(self):
        return self._read(self._records())

    def shuffled(self):
        return self._read(self._records().shuffle(BUFFER))

    def _records(self):
        import tensorflow as tf

        return tf.data.TFRecordDataset(self.files, num_parallel_reads=WORKERS)

    def _read(self, records):
        import tensorflow as tf

        return of_tf(records.batch(BATCH).map(self._parse, num_parallel_calls=tf.data.AUTOTUNE))

    def _parse(self, records):
        import tensorflow as tf

        rows = tf.io.parse_example(records, self.features)
        return tf.reshape(tf.io.decode_raw(rows["image"], tf.uint8), (-1, *SHAPE)), rows["label"]


class Grain(Reader):
    name = "array_record, grain"
    needs = ("numpy", "grain", "array_record.python.array_record_module")
    format = "array_record"

    @staticmethod
    def write(rows, folder):
        from array_record.python.array_record_module import ArrayRecordWriter

        writer = ArrayRecordWriter(os.path.join(folder, "rows.array_record"), "group_size:1,uncompressed")
        for image, label in labelled(rows):
            writer.write(struct.pack("<q", label) + image.tobytes())
        writer.close()

    def __init__(self, folder):
        import grain

        source = grain.sources.ArrayRecordDataSource(files(folder, ".array_record"))
        self.rows = grain.MapDataset.source(source)

    def in_order(self):
        return self._read(self.rows)

    def shuffled(self):
        return self._read(self.rows.shuffle(seed=int.from_bytes(os.urandom(4))))

    def _read(self, rows):
        import grain

        # Batches, not images; the default of 16 threads and 500 batches is no faster on two cores.
        options = grain.ReadOptions(num_threads=4, prefetch_buffer_size=4)
        for batch in rows.map(self._parse).batch(BATCH).to_iter_dataset(options):
            yield batch["image"], batch["label"]

    def _parse(self, record):
        import numpy as np

        image = np.frombuffer(record, np.uint8, offset=8).reshape(SHAPE)
        return {"image": image, "label": np.int64(struct.unpack_from("<q", record)[0])}
