package wire

import (
	"math"

	"github.com/plume-da/plume/sdk"
)

// Numbers of the tables in Arrow's Message.fbs, Schema.fbs and File.fbs.
// https://arrow.apache.org/docs/format/Columnar.html#ipc-encapsulated-message-format
const (
	messageHeaderType, messageHeader, messageBodyLength = 1, 2, 3

	headerSchema, headerRecordBatch = 1, 3

	schemaEndianness, schemaFields, schemaMetadata = 0, 1, 2

	fieldName, fieldTypeType, fieldType, fieldDictionary, fieldChildren, fieldMetadata = 0, 2, 3, 4, 5, 6

	typeInt, typeFloat, typeUnion, typeFixedSizeList = 2, 3, 14, 16
	singlePrecision, doublePrecision, unionTypeIDs   = 1, 2, 1

	batchLength, batchNodes, batchBuffers, batchCompression = 0, 1, 2, 3

	footerSchema, footerRecordBatches = 1, 3
)

// message is a decoded message header.
type message struct {
	kind uint64
	body int // bytes that follow the metadata
	head table
}

func parseMessage(metadata []byte) (message, error) {
	t, ok := root(metadata)
	if !ok {
		return message{}, contract("a message has no header")
	}
	kind, ok1 := t.number(messageHeaderType, 1)
	body, ok2 := t.number(messageBodyLength, 8)
	head, ok3 := t.child(messageHeader)
	if !ok1 || !ok2 || !ok3 || body > math.MaxInt64/2 {
		return message{}, contract("a message header is damaged")
	}
	return message{kind, int(body), head}, nil
}

// checkSchema checks that a schema has exactly the columns of l, with values of one kind.
func checkSchema(schema table, l *sdk.Layout, numbers Numbers) error {
	endianness, ok := schema.number(schemaEndianness, 2)
	if !ok || endianness != 0 {
		return contract("byte order: want little-endian")
	}
	pos, n, ok := schema.vector(schemaFields, 4)
	if want := len(l.Variables) + 1; !ok || n != want {
		return contract("got %d columns, want %d: %s and one per variable", n, want, memberColumn)
	}
	for i := range n {
		f, ok := schema.at(pos + 4*i)
		if !ok {
			return contract("column %d is damaged", i)
		}
		if i == 0 {
			ok = isColumn(f, memberColumn, typeInt, numbers)
		} else {
			ok = isVariable(f, l.Variables[i-1], numbers)
		}
		if !ok {
			return contract("column %d: want %s", i, describeColumn(l, numbers, i))
		}
	}
	return nil
}

func describeColumn(l *sdk.Layout, numbers Numbers, i int) string {
	if i == 0 {
		return memberColumn + ": int32"
	}
	f := Field(l.Variables[i-1], numbers.kind())
	return f.Name + ": " + f.Type.String()
}

// isColumn reports whether f has this name and type, for floating point that of numbers, and no
// dictionary.
func isColumn(f table, name string, kind uint64, numbers Numbers) bool {
	got, ok1 := f.text(fieldName)
	k, ok2 := f.number(fieldTypeType, 1)
	_, dictionary := f.slot(fieldDictionary)
	if !ok1 || !ok2 || got != name || k != kind || dictionary {
		return false
	}
	t, ok := f.child(fieldType)
	switch {
	case !ok:
		return false
	case kind == typeInt:
		bits, ok1 := t.number(0, 4)
		signed, ok2 := t.number(1, 1)
		return ok1 && ok2 && bits == 32 && signed == 1
	case kind == typeFloat:
		precision, ok := t.number(0, 2)
		return ok && precision == numbers.precision()
	}
	return true
}

func isVariable(f table, v sdk.Variable, numbers Numbers) bool {
	if len(v.Shape) == 0 {
		return isColumn(f, v.Name, typeFloat, numbers)
	}
	if !isColumn(f, v.Name, typeFixedSizeList, numbers) {
		return false
	}
	t, _ := f.child(fieldType)
	size, ok := t.number(0, 4)
	pos, n, ok2 := f.vector(fieldChildren, 4)
	if !ok || !ok2 || size != uint64(v.Size()) || n != 1 {
		return false
	}
	item, ok := f.at(pos)
	if !ok {
		return false
	}
	name, ok := item.text(fieldName)
	return ok && isColumn(item, name, typeFloat, numbers)
}

// extent is a part of a message's body, in bytes.
type extent struct{ offset, length int }

// batch is the metadata of one record batch of a layout: its rows and the positions in
// the body of the values of the member column and of each variable.
type batch struct {
	rows   int
	values []extent // column 0 is member
}

// parseBatch reads the metadata of a record batch of at most maxRows rows into b,
// reusing its memory, and checks that every buffer lies in the body, in order,
// and holds what the layout says.
func (b *batch) parse(m message, l *sdk.Layout, w []int, numbers Numbers, maxRows int) error {
	if _, compressed := m.head.slot(batchCompression); compressed {
		return contract("the record batch is compressed; write it uncompressed")
	}
	rows, ok := m.head.number(batchLength, 8)
	if !ok || rows > uint64(maxRows) {
		return contract("a record batch holds %d rows where at most %d are left", rows, maxRows)
	}
	b.rows, b.values = int(rows), b.values[:0]
	r := batchReader{head: m.head, body: m.body}
	if !r.open() {
		return contract("a record batch is damaged")
	}
	r.node(b.rows)
	r.validity()
	b.values = append(b.values, r.data(4*b.rows))
	for i, v := range l.Variables {
		r.node(b.rows)
		r.validity()
		if len(v.Shape) > 0 {
			r.node(b.rows * w[i])
			r.validity()
		}
		b.values = append(b.values, r.data(numbers.Size()*b.rows*w[i]))
	}
	return r.close()
}

// batchReader reads the nodes and buffers of a record batch in the order of the columns.
// It keeps its first fault.
type batchReader struct {
	head           table
	body           int
	nodes, buffers struct{ pos, left int }
	end            int // of the last buffer
	err            error
}

func (r *batchReader) open() bool {
	var ok1, ok2 bool
	r.nodes.pos, r.nodes.left, ok1 = r.head.vector(batchNodes, 16)
	r.buffers.pos, r.buffers.left, ok2 = r.head.vector(batchBuffers, 16)
	return ok1 && ok2
}

func (r *batchReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = contract(format, args...)
	}
}

// pair reads two 64-bit numbers and moves on.
func (r *batchReader) pair(v *struct{ pos, left int }) (a, b uint64) {
	if v.left == 0 {
		r.fail("a record batch has too few columns")
		return 0, 0
	}
	a, _ = r.head.word(v.pos, 8)
	b, _ = r.head.word(v.pos+8, 8)
	v.pos, v.left = v.pos+16, v.left-1
	return a, b
}

func (r *batchReader) node(length int) {
	n, nulls := r.pair(&r.nodes)
	if n != uint64(length) {
		r.fail("a column holds %d values, want %d", n, length)
	}
	if nulls != 0 {
		r.fail("a column holds %d nulls; want none", nulls)
	}
}

func (r *batchReader) extent() extent {
	offset, length := r.pair(&r.buffers)
	if length > uint64(r.body) || offset > uint64(r.body)-length || int(offset) < r.end {
		r.fail("a buffer at %d of %d bytes does not fit a body of %d bytes", offset, length, r.body)
		return extent{}
	}
	r.end = int(offset + length)
	return extent{int(offset), int(length)}
}

// validity skips a validity bitmap: according to the node there are no nulls.
func (r *batchReader) validity() { r.extent() }

func (r *batchReader) data(size int) extent {
	e := r.extent()
	if e.length < size {
		r.fail("a buffer holds %d bytes, want %d", e.length, size)
		return extent{}
	}
	e.length = size // writers may include the padding
	return e
}

func (r *batchReader) close() error {
	if r.nodes.left+r.buffers.left > 0 {
		r.fail("a record batch has too many columns")
	}
	return r.err
}
