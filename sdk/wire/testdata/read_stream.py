"""Reads an Arrow stream from standard input and says what it holds."""
import sys

import pyarrow as pa
import pyarrow.ipc

table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
assert table.column("member").to_pylist() == list(range(table.num_rows))
total = 0.0
for name in table.column_names[1:]:
    column = table.column(name).combine_chunks()
    values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
    total += sum(values.to_pylist())
print(f"{table.num_rows} rows, sum {total:.2f}")
