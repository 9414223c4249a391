"""The reader's own columns against pyarrow, which reads the same files."""

import io
import sys

import numpy as np
import plume as kit
import pyarrow as pa
import pyarrow.ipc
import pytest
from plume import _tables

META = {"shape": "2", "dims": "", "unit": "m"}
PAIR = pa.list_(pa.float64(), 2)
PARTS = [
    {
        "cycle": pa.array([1, 2, 3], pa.int32()),
        "filter": pa.array(["etkf", "µ-filter", ""]),
        "error": pa.array([None, "x = ∞", None], pa.string()),
        "parent": pa.array([0, None, 2], pa.int32()),
        "bytes": pa.array([2**40, None, 0], pa.int64()),
        "rmse": pa.array([0.5, None, float("nan")]),
        "u": pa.array([[0.0, 1.0], [2.0, None], None], PAIR),
    },
    {"cycle": pa.array([4], pa.int32()), "filter": pa.array(["enkf"]), "spread": pa.array([0.25])},
    {"cycle": pa.array([], pa.int32()), "filter": pa.array([], pa.string()), "u": pa.array([], PAIR)},
]


def table(part):
    fields = [pa.field(n, c.type, metadata=META if c.type == PAIR else None) for n, c in part.items()]
    return pa.table(list(part.values()), schema=pa.schema(fields))


def write(path, part, compression=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(path, table(part).schema, options=options) as file:
        for start in range(0, len(table(part)), 2):
            file.write_table(table(part).slice(start, 2))
    return path


@pytest.fixture
def run(tmp_path):
    """A run of one table, which is in three parts with other columns each."""
    for i, part in enumerate(PARTS, 1):
        write(tmp_path / "cycles" / f"trial={i:04d}.arrow", part, "lz4" if i == 1 else None)
    return kit.Run(tmp_path)


@pytest.fixture
def whole():
    """What pyarrow makes of the same parts."""
    parts = [table(p).append_column("trial", pa.array([i] * len(table(p)), pa.int32())) for i, p in enumerate(PARTS, 1)]
    return pa.concat_tables(parts, promote_options="default")


def test_every_library_gets_what_pyarrow_reads(run, whole):
    import pandas
    import polars
    from polars.testing import assert_frame_equal

    # A list of which one value is missing may be missing itself: to pyarrow they differ, to a
    # reader of runs they do not.
    read = run.table("cycles", "pyarrow").select(whole.column_names)
    assert read.schema.equals(whole.schema.set(read.schema.get_field_index("cycle"), read.schema.field("cycle")))
    assert read.column("u").to_pylist() == [[0, 1], [2, None], [None, None], [None, None]]
    assert read.schema.field("u").metadata == {k.encode(): v.encode() for k, v in META.items()}
    assert str(read.drop_columns(["u"]).to_pylist()) == str(whole.drop_columns(["u"]).to_pylist())  # nan
    frame = run.table("cycles")[whole.column_names]
    pandas.testing.assert_frame_equal(frame.drop(columns="u"), whole.drop_columns(["u"]).to_pandas())
    np.testing.assert_array_equal(np.stack(frame["u"]), [[0, 1], [2, np.nan], [np.nan] * 2, [np.nan] * 2])
    assert_frame_equal(
        run.table("cycles", "polars").select(whole.column_names).drop("u"), polars.from_arrow(whole).drop("u")
    )
    arrays = run.table("cycles", "numpy")
    assert arrays["cycle"].dtype == np.int32
    np.testing.assert_array_equal(arrays["parent"], [0, np.nan, 2, np.nan])
    assert arrays["error"].tolist() == [None, "x = ∞", None, None]


def test_columns_of_one_name_and_two_types(run):
    write(run.path / "cycles" / "trial=0004.arrow", {"cycle": pa.array(["one"])})
    with pytest.raises(ValueError, match="column cycle: differs in type or size between parts"):
        run.table("cycles")


@pytest.mark.parametrize("cut", [1, 100, 400])
def test_a_whole_file_that_is_cut_is_damaged(run, cut):
    path = run.path / "cycles" / "trial=0001.arrow"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=r"trial=0001.arrow is damaged: .*does not end as"):
        run.table("cycles")


def test_a_file_under_way_gives_its_whole_batches(tmp_path):
    data = write(tmp_path / "a.arrow", PARTS[0]).read_bytes()
    begun = []
    for size in range(0, len(data), 8):
        part = tmp_path / "b.arrow.part"
        part.write_bytes(data[:size])
        try:
            begun.append(len(_tables.read(part, {})))
        except FileNotFoundError:
            assert not begun, "after what could be read"
    assert begun == sorted(begun)
    assert set(begun) == {0, 2, 3}


def test_rows_are_chosen_while_they_are_read(tmp_path):
    path = write(tmp_path / "a.arrow", PARTS[0])
    assert _tables.read(path, {"filter": "etkf", "nothing": 1}).columns["cycle"].values.tolist() == [1]
    assert len(_tables.read(path, {"cycle": 7})) == 0


def test_a_missing_library_is_named_with_its_extra(run, monkeypatch):
    for library in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=rf'pip install "plume-da\[{library}\]"'):
            run.table("cycles", library)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r'pip install "plume-da\[xarray\]"'):
        run.truth()
    assert len(run.table("cycles", "numpy")["cycle"]) == 4


def test_duckdb_and_others_take_a_table_over(run):
    stream = pa.RecordBatchReader.from_stream(run._read("cycles"))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, stream.schema) as writer:
        for batch in stream:
            writer.write_batch(batch)
    assert len(pa.ipc.open_stream(sink.getvalue()).read_all()) == 4
