package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errSchema is the error of an Arrow schema that must not reach Arrow's readers: they
// allocate memory for as many columns and names as it announces.
var errSchema = errors.New("its schema is damaged")

// CheckFooter checks the columns in the footer of an Arrow IPC file of size bytes, before
// Arrow's reader trusts them.
func CheckFooter(f io.ReaderAt, size int64) error {
	const tail = 10 // the footer's length, and the magic number
	if size < 2*tail {
		return errors.New("is too short to be an Arrow file")
	}
	var end [tail]byte
	if _, err := f.ReadAt(end[:], size-tail); err != nil {
		return err
	}
	if string(end[4:]) != "ARROW1" {
		return errors.New("is not an Arrow file, or is incomplete; write a stream as a file")
	}
	n := int64(binary.LittleEndian.Uint32(end[:4]))
	if n > size-tail {
		return errSchema
	}
	footer := make([]byte, n)
	if _, err := f.ReadAt(footer, size-tail-n); err != nil {
		return err
	}
	t, ok := root(footer)
	if !ok {
		return errSchema
	}
	schema, ok := t.child(footerSchema)
	if !ok {
		return errSchema
	}
	return announced(schema)
}

// StreamEnd returns the end of the last complete message of the Arrow IPC stream of a schema
// and record batches that starts at offset in a file of size bytes. It checks the sizes in
// its messages before Arrow's reader trusts them. An incomplete message at the end of the
// file is not an error: its writer was stopped.
func StreamEnd(f io.ReaderAt, offset, size int64) (end int64, err error) {
	end, err = SchemaEnd(f, offset, size)
	for k := 1; err == nil && end > offset; k++ {
		m, next, err := messageAt(f, end, size)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && m.kind != headerRecordBatch {
			err = errors.New("it must not follow in a stream")
		}
		if err != nil {
			return 0, damagedMessage(k, err)
		}
		end = next
	}
	return end, err
}

// SchemaEnd returns the end of the schema, the first message, of the Arrow IPC stream that starts
// at offset in a file of size bytes, or offset if it is not complete. It checks the schema before
// Arrow's reader trusts it.
func SchemaEnd(f io.ReaderAt, offset, size int64) (end int64, err error) {
	m, end, err := messageAt(f, offset, size)
	switch {
	case errors.Is(err, io.EOF):
		return offset, nil
	case err == nil && m.kind != headerSchema:
		err = errors.New("it must not follow in a stream")
	case err == nil:
		err = announced(m.head)
	}
	if err != nil {
		return 0, damagedMessage(0, err)
	}
	return end, nil
}

func damagedMessage(k int, err error) error { return fmt.Errorf("message %d is damaged: %w", k, err) }

// messageAt returns the message at offset and its end. The error is io.EOF if the stream or
// the file ends before that.
func messageAt(f io.ReaderAt, offset, size int64) (m message, end int64, err error) {
	var start [8]byte
	if _, err := f.ReadAt(start[:], offset); err != nil {
		return message{}, 0, err
	}
	marker, n := binary.LittleEndian.Uint32(start[:4]), int64(binary.LittleEndian.Uint32(start[4:]))
	left := size - offset - int64(len(start)) - n // for its body
	switch {
	case marker != 0xffffffff:
		return message{}, 0, fmt.Errorf("got %#x where a message starts with 0xffffffff", marker)
	case n > maxMetadata:
		return message{}, 0, fmt.Errorf("metadata of %d bytes; want at most %d", n, maxMetadata)
	case n == 0 || left < 0:
		return message{}, 0, io.EOF
	}
	metadata := make([]byte, n)
	if _, err := f.ReadAt(metadata, offset+int64(len(start))); err != nil {
		return message{}, 0, err
	}
	if m, err = parseMessage(metadata); err == nil && int64(m.body) > left {
		err = io.EOF
	}
	return m, size - left + int64(m.body), err
}

// announced checks that every list of a schema is inside its buffer, and that there are no
// more columns, including nested ones, than bytes: tables may be shared, and then a short
// schema could be a large one.
func announced(schema table) error {
	left := len(schema.buf)
	var walk func(parent table, list, metadata, depth int) bool
	walk = func(parent table, list, metadata, depth int) bool {
		pos, n, ok := parent.vector(list, 4)
		if _, _, named := parent.vector(metadata, 4); !ok || !named || depth > maxNested {
			return false
		}
		if left -= n; left < 0 {
			return false
		}
		for i := range n {
			field, ok := parent.at(pos + 4*i)
			if !ok || !walk(field, fieldChildren, fieldMetadata, depth+1) {
				return false
			}
			kind, _ := field.number(fieldTypeType, 1)
			if t, ok := field.child(fieldType); ok && kind == typeUnion {
				if _, _, ok := t.vector(unionTypeIDs, 4); !ok {
					return false
				}
			}
		}
		return true
	}
	if !walk(schema, schemaFields, schemaMetadata, 0) {
		return errSchema
	}
	return nil
}

// maxNested bounds how deeply columns may be nested.
const maxNested = 64
