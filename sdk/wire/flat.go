package wire

import "encoding/binary"

// table is a FlatBuffers table inside a message of another process. Its methods
// check every offset; data outside the buffer reads as absent.
// Format: https://flatbuffers.dev/internals/
type table struct {
	buf []byte
	pos int
}

// root returns the table at the start of a buffer.
func root(buf []byte) (table, bool) {
	return table{buf, 0}.at(0)
}

// word reads n bytes at an absolute position as a little-endian number.
func (t table) word(pos, n int) (uint64, bool) {
	if pos < 0 || pos > len(t.buf)-n {
		return 0, false
	}
	var b [8]byte
	copy(b[:], t.buf[pos:pos+n])
	return binary.LittleEndian.Uint64(b[:]), true
}

// at follows the offset stored at pos to a table.
func (t table) at(pos int) (table, bool) {
	off, ok := t.word(pos, 4)
	if !ok || off == 0 || off > uint64(len(t.buf)) {
		return table{}, false
	}
	to := pos + int(off)
	_, ok = t.word(to, 4)
	return table{t.buf, to}, ok
}

// slot returns the position of field number i, or false if it is absent.
func (t table) slot(i int) (int, bool) {
	back, ok := t.word(t.pos, 4)
	if !ok {
		return 0, false
	}
	vtable := t.pos - int(int32(back))
	size, ok := t.word(vtable, 2)
	if !ok || 4+2*i >= int(size) { // as FlatBuffers' own readers do, also for an odd size
		return 0, false
	}
	off, ok := t.word(vtable+4+2*i, 2)
	if !ok || off == 0 {
		return 0, false
	}
	return t.pos + int(off), true
}

// number returns scalar field i of n bytes, zero if absent.
func (t table) number(i, n int) (uint64, bool) {
	pos, ok := t.slot(i)
	if !ok {
		return 0, true
	}
	return t.word(pos, n)
}

// child returns table field i.
func (t table) child(i int) (table, bool) {
	pos, ok := t.slot(i)
	if !ok {
		return table{}, false
	}
	return t.at(pos)
}

// vector returns position and length of vector field i, whose items take size
// bytes each and all lie inside the buffer; an absent vector is empty.
func (t table) vector(i, size int) (pos, length int, ok bool) {
	slot, present := t.slot(i)
	if !present {
		return 0, 0, true
	}
	v, ok := t.at(slot)
	if !ok {
		return 0, 0, false
	}
	n, _ := t.word(v.pos, 4)
	if n > uint64(len(t.buf)/size) || v.pos+4+int(n)*size > len(t.buf) {
		return 0, 0, false
	}
	return v.pos + 4, int(n), true
}

// text returns string field i.
func (t table) text(i int) (string, bool) {
	pos, n, ok := t.vector(i, 1)
	if !ok {
		return "", false
	}
	return string(t.buf[pos : pos+n]), true
}
